/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF cores of environments that ended by a fault: gdb opens them with the environment's image.
 *
 * The kernel holds such an environment until init lets it go, and tells its registers and its
 * mappings. The file goes to the host through the channel, piece by piece. Layout: ELF header,
 * program headers, notes (System V ABI, AMD64 supplement; struct elf_prstatus and elf_prpsinfo as
 * Linux's <sys/procfs.h> has them), memory from the next page on.
 */
#include <elf.h>

#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/memory.h>
#include <libexo/printf.h>

#include "init.h"

enum {
	MAPPINGS_MAX = 8192,
	ASK_FOR = 512, /* mappings of one call */
	RUNS_MAX = 512,
	STATUS_BYTES = 336, /* struct elf_prstatus */
	STATUS_SIGNAL = 12,
	STATUS_PID = 32,
	STATUS_REGS = 112,
	REGS = 27,
	INFO_BYTES = 136, /* struct elf_prpsinfo */
	INFO_PID = 24,
	INFO_NAME = 40,
	INFO_NAME_BYTES = 16,
	SIGNAL_ILL = 4,
	SIGNAL_FPE = 8,
	SIGNAL_SEGV = 11,
	VECTOR_DIVIDE = 0,
	VECTOR_OPCODE = 6,
	NAME_MAX = 48,
};

struct note {
	Elf64_Nhdr head;
	char name[8];
};

static struct {
	struct note status_note;
	uint8_t status[STATUS_BYTES];
	struct note info_note;
	uint8_t info[INFO_BYTES];
} notes;

/* Consecutive pages with the same rights. */
static struct run {
	uint64_t address, pages, rights;
	uint32_t first; /* of mappings */
} runs[RUNS_MAX];

static struct exo_mapping *mappings;
static uint32_t n_mappings, n_runs;
static char file_name[NAME_MAX];
static void *window; /* where a page of the environment is looked at */

/* ---- What there is ---- */

static int fetch(struct exo_env_record *record)
{
	int result;

	n_mappings = 0;
	record->cursor = 0;
	do {
		record->mappings = (uintptr_t)(mappings + n_mappings);
		record->room = ASK_FOR;
		record->n = 0;
		result = exo_env_record(record);
		if (result < 0)
			return result;
		n_mappings += record->n;
	} while (record->cursor != 0 && n_mappings <= MAPPINGS_MAX - ASK_FOR);
	if (record->cursor != 0)
		exo_printf("its core has the first %u mappings only\n", n_mappings);
	return 0;
}

/* Shell's sort (CACM 1959): few, and no recursion. */
static void sort(void)
{
	for (uint32_t gap = n_mappings / 2; gap > 0; gap /= 2) {
		for (uint32_t i = gap; i < n_mappings; i++) {
			struct exo_mapping m = mappings[i];
			uint32_t at = i;

			for (; at >= gap && mappings[at - gap].address > m.address; at -= gap)
				mappings[at] = mappings[at - gap];
			mappings[at] = m;
		}
	}
}

static void find_runs(void)
{
	n_runs = 0;
	for (uint32_t i = 0; i < n_mappings; i++) {
		const struct exo_mapping *m = &mappings[i];
		struct run *last = n_runs > 0 ? &runs[n_runs - 1] : NULL;

		if (last != NULL && last->rights == m->rights &&
		    last->address + last->pages * EXO_PAGE_SIZE == m->address) {
			last->pages += m->count;
		} else if (n_runs < RUNS_MAX) {
			runs[n_runs++] = (struct run){m->address, m->count, m->rights, i};
		} else {
			exo_printf("its core ends at 0x%llx: more than %d pieces\n",
			           (unsigned long long)m->address, RUNS_MAX);
			n_mappings = i;
		}
	}
}

/* ---- The head ---- */

static int signal_of(uint32_t vector)
{
	if (vector == VECTOR_DIVIDE)
		return SIGNAL_FPE;
	return vector == VECTOR_OPCODE ? SIGNAL_ILL : SIGNAL_SEGV;
}

static void fill_notes(const struct service *service, const struct exo_env_record *record)
{
	const struct exo_regs *r = &record->regs;
	const uint64_t regs[REGS] = {
	        r->r15,    r->r14, r->r13, r->r12,     r->rbp,     r->rbx, r->r11, r->r10, r->r9,
	        r->r8,     r->rax, r->rcx, r->rdx,     r->rsi,     r->rdi, ~0ull,  r->rip, r->cs,
	        r->rflags, r->rsp, r->ss,  r->fs_base, r->gs_base, 0,      0,      0,      0,
	};
	uint16_t signal = (uint16_t)signal_of(record->vector);

	memset(&notes, 0, sizeof(notes));
	notes.status_note = (struct note){{sizeof("CORE"), STATUS_BYTES, NT_PRSTATUS}, "CORE"};
	memcpy(notes.status + STATUS_SIGNAL, &signal, sizeof(signal));
	memcpy(notes.status + STATUS_PID, &service->child.id, sizeof(service->child.id));
	memcpy(notes.status + STATUS_REGS, regs, sizeof(regs));
	notes.info_note = (struct note){{sizeof("CORE"), INFO_BYTES, NT_PRPSINFO}, "CORE"};
	memcpy(notes.info + INFO_PID, &service->child.id, sizeof(service->child.id));
	exo_text_copy((char *)notes.info + INFO_NAME, INFO_NAME_BYTES, service->name);
}

static int put(uint64_t *at, const void *data, uint64_t size)
{
	int result = control_file(file_name, *at, data, size);

	*at += size;
	return result;
}

static int put_head(uint64_t *at)
{
	const Elf64_Ehdr head = {
	        .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
	        .e_type = ET_CORE,
	        .e_machine = EM_X86_64,
	        .e_version = EV_CURRENT,
	        .e_phoff = sizeof(head),
	        .e_ehsize = sizeof(head),
	        .e_phentsize = sizeof(Elf64_Phdr),
	        .e_phnum = (uint16_t)(n_runs + 1),
	};

	return put(at, &head, sizeof(head));
}

/* The notes' header, then one for each run; memory begins on the page behind the notes. */
static int put_headers(uint64_t *at)
{
	uint64_t notes_at = *at + (n_runs + 1) * sizeof(Elf64_Phdr);
	uint64_t offset = (notes_at + sizeof(notes) + EXO_PAGE_SIZE - 1) & ~(EXO_PAGE_SIZE - 1);
	Elf64_Phdr header = {.p_type = PT_NOTE, .p_offset = notes_at, .p_filesz = sizeof(notes)};
	int result = put(at, &header, sizeof(header));

	for (uint32_t i = 0; i < n_runs && result == 0; i++) {
		uint64_t size = runs[i].pages * EXO_PAGE_SIZE;

		header = (Elf64_Phdr){
		        .p_type = PT_LOAD,
		        .p_flags = PF_R | (runs[i].rights & EXO_RIGHT_WRITE ? PF_W : 0) |
		                   (runs[i].rights & EXO_RIGHT_EXEC ? PF_X : 0),
		        .p_offset = offset,
		        .p_vaddr = runs[i].address,
		        .p_filesz = size,
		        .p_memsz = size,
		        .p_align = EXO_PAGE_SIZE,
		};
		result = put(at, &header, sizeof(header));
		offset += size;
	}
	if (result == 0)
		result = put(at, &notes, sizeof(notes));
	*at = (*at + EXO_PAGE_SIZE - 1) & ~(EXO_PAGE_SIZE - 1);
	return result;
}

/* ---- Memory ---- */

/* A page through the window. What init may not see (frames that others granted) is left out: the
 * file has zeroes there. */
static int put_page(uint64_t *at, uint64_t frame)
{
	struct exo_mapping mapping = {
	        .address = (uintptr_t)window, .frame = frame, .count = 1, .rights = EXO_RIGHT_READ};
	struct exo_range range = {.address = (uintptr_t)window, .count = 1};
	int result;

	if (exo_map(NULL, &mapping, 1) != 1) {
		*at += EXO_PAGE_SIZE;
		return 0;
	}
	result = put(at, window, EXO_PAGE_SIZE);
	exo_unmap(NULL, &range, 1);
	return result;
}

static int put_memory(uint64_t *at)
{
	int result = 0;

	for (uint32_t i = 0; i < n_mappings; i++)
		for (uint32_t k = 0; k < mappings[i].count && result == 0; k++)
			result = put_page(at, mappings[i].frame + k);
	return result;
}

static int send(const struct service *service)
{
	struct exo_env_record record = {.env = service->child.cap};
	uint64_t at = 0;
	int result = fetch(&record);

	if (result < 0)
		return result;
	sort();
	find_runs();
	fill_notes(service, &record);
	result = put_head(&at);
	if (result == 0)
		result = put_headers(&at);
	if (result == 0)
		result = put_memory(&at);
	if (result == 0)
		exo_printf("%s: its core is %s, %llu bytes\n", service->name, file_name,
		           (unsigned long long)at);
	return result;
}

void core_send(const struct service *service)
{
	struct exo_pages pages;
	int result;

	exo_snprintf(file_name, sizeof(file_name), "%.31s.%u.core", service->name,
	             service->child.id);
	if (window == NULL)
		window = exo_space_take(1);
	result = window == NULL
	                 ? -EXO_ENOMEM
	                 : exo_pages_alloc(&pages, exo_pages_for(MAPPINGS_MAX * sizeof(*mappings)));
	if (result == 0) {
		mappings = pages.address;
		result = send(service);
		exo_pages_free(&pages);
	}
	if (result < 0)
		exo_printf("%s: no core of it: %s\n", service->name, exo_error_text(result));
}
