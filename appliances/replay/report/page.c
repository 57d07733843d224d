/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page's frame.
 */
#include "page.h"

static const char head[] =
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
        "'unsafe-inline'\">\n<title>Sluice replay</title>\n<style>\n"
        ":root{color-scheme:light dark;--fg:#1b1f24;--bg:#fff;--soft:#667;--grid:#dde;--a:#0b63c5;"
        "--b:#d1570b;--c:#b3123b;--card:#f5f7fa}\n"
        "@media(prefers-color-scheme:dark){:root{--fg:#e6e8eb;--bg:#14171b;--soft:#9aa3ad;"
        "--grid:#2b3138;--a:#5aa7ff;--b:#ff9d57;--c:#ff6d8a;--card:#1d2228}}\n"
        "body{font:16px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg);"
        "max-width:64rem;margin:2rem auto;padding:0 1rem}\n"
        "h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .5rem}\n"
        ".verdict{font-size:1.1rem;border-left:.4rem solid var(--a);background:var(--card);"
        "padding:.8rem 1rem;margin:1rem 0}\n"
        ".bad{border-color:var(--c)}.banner{background:var(--b);color:#000;padding:.5rem 1rem;"
        "font-weight:600}\n"
        "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\n"
        "td,th{text-align:right;padding:.25rem .6rem;border-bottom:1px solid var(--grid)}\n"
        "td:first-child,th:first-child{text-align:left}th{color:var(--soft);font-weight:600}\n"
        "svg{width:100%;height:auto;background:var(--card);margin:.5rem 0}\n"
        "svg text{font:12px system-ui,sans-serif;fill:var(--fg)}svg .title{font-weight:600;"
        "font-size:14px}\n"
        ".grid{stroke:var(--grid)}polyline{fill:none;stroke-width:1.8}\n"
        "polyline.a{stroke:var(--a)}polyline.b{stroke:var(--b)}polyline.c{stroke:var(--c)}\n"
        "rect.a{fill:var(--a)}rect.c{fill:var(--c)}\n"
        ".key span{margin-right:1.2rem}.key .a{color:var(--a)}.key .b{color:var(--b)}.key "
        ".c{color:var(--c)}\n"
        "code{overflow-wrap:anywhere}footer{color:var(--soft);margin:2rem 0;font-size:.9rem}\n"
        "</style></head><body>\n";

void page_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '&':
			fputs("&amp;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

void page_begin(FILE *out)
{
	fputs(head, out);
	fputs("<h1>Sluice replay</h1>\n", out);
}

void page_end(FILE *out, const char *footer)
{
	fprintf(out, "<footer>%s</footer>\n</body></html>\n", footer);
}

void page_verdict(FILE *out, const char *text, bool good, bool emulated)
{
	if (emulated)
		fputs("<p class=\"banner\">The machine under test is emulated: its times are not "
		      "those of hardware.</p>\n",
		      out);
	fprintf(out, "<p class=\"verdict%s\">", good ? "" : " bad");
	page_text(out, text);
	fputs("</p>\n", out);
}

void page_row(FILE *out, const char *name, const char *value)
{
	if (!*value)
		return;
	fprintf(out, "<tr><td>%s</td><td><code>", name);
	page_text(out, value);
	fputs("</code></td></tr>\n", out);
}
