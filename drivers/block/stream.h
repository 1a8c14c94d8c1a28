/*
 * A connection that carries frames in both directions, many for each system call: frames that are to go are collected until the
 * turn ends, and what has come is taken apart in one buffer; long data goes past it, to where it belongs.
 *
 *   stream_start() ──> running ──stream_end(), an error, the other side's end──> ending ──nothing under way any more──>
 * kind->ended()
 */
#ifndef CARDINAL_BLOCK_STREAM_H
#define CARDINAL_BLOCK_STREAM_H

#include <sys/socket.h>
#include <sys/uio.h>

#include "frame.h"
#include "reactor.h"

#define STREAM_BUFFER_BYTES (256u * 1024)
#define STREAM_PARTS 128

/* A frame to be sent; it and its data stay until `sent`. */
struct stream_frame {
  uint8_t header[FRAME_HEADER_BYTES];
  const uint8_t *data;
  uint32_t length;
  bool queued;
  struct stream_frame *next;
  /* It is the kernel's, or the stream has ended. NULL: nobody wants to know. */
  void (*sent)(struct stream_frame *frame);
};

struct stream;

struct stream_kind {
  /*
   * A header has come: gives the place for its payload, if it has one. False: not now; stream_resume() asks again. It may also
   * end the stream.
   */
  bool (*admit)(struct stream *stream, const struct frame *frame, uint8_t **place);
  /* A frame has come whose payload is in the place that was given, and right. */
  void (*heard)(struct stream *stream, const struct frame *frame, uint8_t *payload);
  /* Its payload does not come any more: the place is free. */
  void (*abandoned)(struct stream *stream, const struct frame *frame, uint8_t *payload);
  /* Nothing is under way; the descriptor is closed; `stream` may be freed. */
  void (*ended)(struct stream *stream, int reason);
};

struct stream_counters {
  uint64_t frames_sent, bytes_sent, sends, frames_heard, bytes_heard, receives;
};

struct stream {
  const struct stream_kind *kind;
  struct reactor *reactor;
  struct reactor_file socket;
  struct reactor_op sending, receiving;
  bool is_sending, is_receiving, is_paused, is_ending, is_over;
  int reason;
  struct reactor_task flush, resume, finish;
  struct stream_frame *first, **last;
  size_t first_sent; /* of the first frame, bytes that are sent already */
  struct iovec out_parts[STREAM_PARTS];
  struct msghdr out_message;
  uint8_t *in;
  uint32_t in_start, in_end;
  struct frame frame;
  uint8_t *payload;
  uint32_t payload_got;
  bool in_payload;
  struct iovec in_parts[2];
  struct msghdr in_message;
  int64_t heard_us;
  struct stream_counters counters;
};

/* Takes the descriptor over, in any case. 0 or -ENOMEM. */
int stream_start(struct stream *stream, struct reactor *reactor, int fd, const struct stream_kind *kind);
/* Of a stream that is over, which `ended` is about to tell, nothing comes of it: `sent` is not called. */
void stream_send(struct stream *stream, struct stream_frame *frame);
/* Asks for the next frame's admission again. */
void stream_resume(struct stream *stream);
/* The first reason counts. */
void stream_end(struct stream *stream, int reason);

#endif
