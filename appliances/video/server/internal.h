/* SPDX-License-Identifier: BSD-2-Clause */
/* What the server's files share: one section for each. */
#ifndef VIDEO_INTERNAL_H
#define VIDEO_INTERNAL_H

#include "headers.h"
#include "request.h"
#include "server.h"
#include "text.h"

#define NS_PER_S    1000000000ull
#define NS_PER_MS   1000000ull
#define NS_PER_SLOT (MEDIA_SLOT_MS * NS_PER_MS)

/* ---- schedule.c ---- */

/* Puts a viewer that plays into the slot of its next packet. */
void slots_add(struct video *video, struct video_viewer *viewer);
void slots_remove(struct video *video, struct video_viewer *viewer);
/* Serves all slots up to that of video->now. */
void slots_run(struct video *video);
/* When the next slot with viewers comes; UINT64_MAX: none. */
uint64_t slots_deadline(const struct video *video);

/* ---- rtp.c ---- */

/* Sends what the viewer has due in `slot` or before. */
void rtp_send_due(struct video *video, struct video_viewer *viewer, int64_t slot);
/* The slot's packets have left: how long after its time. */
void rtp_count_jitter(struct video *video, int64_t slot, uint64_t packets);
/* A piece of a live title that just came; goes out with the next flush. */
void rtp_send_piece(struct video *video, struct video_viewer *viewer,
                    const struct media_packet *packet);
/* Sender reports of all legs, where they are due. `bye`: in any case, with BYE. */
void rtp_report(struct video *video, struct video_viewer *viewer, bool bye);
void rtp_heard(struct video *video, const uint8_t *data, size_t size, const struct udp_ip *from);
/* Datagrams and errors of both sockets. */
void rtp_on_datagram(struct udp_socket *socket, struct udp_datagram *datagram);
void rtp_on_failure(struct udp_socket *socket, enum udp_failure failure,
                    const struct udp_endpoint *remote, uint32_t value);

/* ---- session.c ---- */

struct video_viewer *session_new(struct video *video, uint8_t title, uint8_t stream,
                                 const struct udp_ip *peer);
void session_end(struct video *video, struct video_viewer *viewer);
/* NULL: there is none of that id. */
struct video_viewer *session_find(struct video *video, uint64_t id);
/* The viewer and leg of an SSRC that we send with; NULL. */
struct video_viewer *session_of_source(struct video *video, uint32_t ssrc, struct video_leg **leg);
void session_add_leg(struct video *video, struct video_viewer *viewer, uint8_t track,
                     const struct transport *transport, struct video_conn *conn);
/* Plays from `from_ms` (the key frame before it) to `to_ms`. → where it begins. */
uint32_t session_play(struct video *video, struct video_viewer *viewer, uint32_t from_ms,
                      uint32_t to_ms);
void session_pause(struct video *video, struct video_viewer *viewer);
/* Ends those who have not been heard of, and sends reports. */
void session_tidy(struct video *video);
/* Ends the interleaved sessions of a connection. */
void session_end_conn(struct video *video, struct video_conn *conn);
/* The title's position that is being sent. */
uint32_t session_position(const struct video *video, const struct video_viewer *viewer);

/* ---- relay.c ---- */

/* NULL: the title is not live. */
struct video_live *relay_of(const struct video *video, uint8_t title);
void relay_play(struct video_live *relay, struct video_viewer *viewer);
void relay_stop(struct video_viewer *viewer, struct video_live *relay);
void relay_close(struct video *video);
/* RTP's clock now, as it counts in the pieces. */
uint32_t relay_timestamp(const struct video_live *relay);
/* Whether a connection has not sent yet what is being overwritten. */
bool relay_overran(const struct video_conn *conn);
/* false: nothing has come yet. */
bool relay_playlist(const struct video_live *relay, struct out *out);
/* A segment that the connection is about to send. NULL: there is none of that number. */
const struct live_segment *relay_segment(struct video_live *relay, struct video_conn *conn,
                                         uint64_t number);
void relay_status(const struct video *video, struct out *out);

/* ---- titles.c ---- */

/* Gives an object a title's name. NULL, or why it can't be: for people. */
const char *title_name(const struct video *video, const char *name, struct media *media);

/* The title named by `name`, and which of its streams ("NAME" or "NAME.ts"). false: there is none.
 */
bool title_find(const struct video *video, struct text name, uint8_t *title, uint8_t *stream);

/* ---- conn.c ---- */

void client_on_rtsp(struct tcp_listener *listener);
void client_on_http(struct tcp_listener *listener);
void client_end(struct video_conn *conn);
/* Copies an answer into the connection; closes it where there is no room. */
bool client_put(struct video_conn *conn, const void *data, size_t size);
/* Queues bytes that never change. */
bool client_put_static(struct video_conn *conn, const void *data, uint64_t size);
void client_tidy(struct video *video);

/* ---- rtsp.c, http.c, status.c, hls.c ---- */

void rtsp_request(struct video_conn *conn, const struct request *request);
/* Answers the request that begins at `data`. → its bytes; 0: some are missing, or, where `full`
 * says that no more can be there, it is refused. */
size_t http_take(struct video_conn *conn, const char *data, size_t size, bool full);
/* An answer to what could not be understood. */
void rtsp_refuse(struct video_conn *conn, int status);
void status_json(const struct video *video, struct out *out);
void status_metrics(const struct video *video, struct out *out);
/* The playlist of a title that goes round for ever (RFC 8216, 6.2.2). */
void hls_live(const struct video *video, uint8_t title, struct out *out);
/* The jitter below which `permille` of all packets were sent, in microseconds. */
uint64_t video_jitter_us(const struct video *video, unsigned permille);

#endif
