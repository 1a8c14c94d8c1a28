#define _GNU_SOURCE
#include "stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"

static void receive(struct stream *stream);

/* Nothing may be under way with the memory of frames and payloads when their owners get it back. */
static void finish_if_idle(struct stream *stream) {
  if (stream->is_ending && !stream->is_sending && !stream->is_receiving) reactor_later(stream->reactor, &stream->finish);
}

static void finish(struct reactor_task *task) {
  struct stream *stream = REACTOR_OF(task, struct stream, finish);
  /* What ends now may lead to frames for this very stream. */
  stream->is_over = true;
  reactor_forget(stream->reactor, &stream->flush);
  reactor_forget(stream->reactor, &stream->resume);
  while (stream->first != NULL) {
    struct stream_frame *frame = stream->first;
    stream->first = frame->next;
    frame->queued = false;
    if (frame->sent != NULL) frame->sent(frame);
  }
  stream->last = &stream->first;
  if (stream->in_payload && stream->payload != NULL) stream->kind->abandoned(stream, &stream->frame, stream->payload);
  reactor_file_remove(stream->reactor, &stream->socket);
  close(stream->socket.fd);
  free(stream->in);
  stream->in = NULL;
  stream->kind->ended(stream, stream->reason);
}

void stream_end(struct stream *stream, int reason) {
  if (stream->is_ending) return;
  stream->is_ending = true;
  stream->reason = reason;
  shutdown(stream->socket.fd, SHUT_RDWR);
  finish_if_idle(stream);
}

static void send_next(struct stream *stream) {
  if (stream->is_sending || stream->is_ending || stream->first == NULL) return;
  size_t count = 0, skip = stream->first_sent;
  for (struct stream_frame *frame = stream->first; frame != NULL && count + 2 <= STREAM_PARTS; frame = frame->next) {
    if (skip < FRAME_HEADER_BYTES) {
      stream->out_parts[count++] = (struct iovec){frame->header + skip, FRAME_HEADER_BYTES - skip};
      skip = FRAME_HEADER_BYTES;
    }
    size_t of_data = skip - FRAME_HEADER_BYTES;
    if (frame->length > of_data) stream->out_parts[count++] = (struct iovec){(void *)(uintptr_t)(frame->data + of_data), frame->length - of_data};
    skip = 0;
  }
  stream->out_message = (struct msghdr){.msg_iov = stream->out_parts, .msg_iovlen = count};
  stream->is_sending = true;
  stream->counters.sends++;
  reactor_send_message(stream->reactor, &stream->sending, &stream->socket, &stream->out_message, MSG_NOSIGNAL | MSG_WAITALL);
}

static void flush(struct reactor_task *task) {
  send_next(REACTOR_OF(task, struct stream, flush));
}

static void sent(struct reactor_op *op, int result, uint32_t flags) {
  (void)flags;
  struct stream *stream = REACTOR_OF(op, struct stream, sending);
  stream->is_sending = false;
  if (result < 0) stream_end(stream, result == -EPIPE ? -ECONNRESET : result);
  size_t bytes = result > 0 ? (size_t)result : 0;
  stream->counters.bytes_sent += bytes;
  bytes += stream->first_sent;
  while (stream->first != NULL && bytes >= FRAME_HEADER_BYTES + (size_t)stream->first->length) {
    struct stream_frame *frame = stream->first;
    bytes -= FRAME_HEADER_BYTES + (size_t)frame->length;
    stream->first = frame->next;
    if (stream->first == NULL) stream->last = &stream->first;
    stream->counters.frames_sent++;
    frame->queued = false;
    if (frame->sent != NULL) frame->sent(frame);
  }
  stream->first_sent = bytes;
  send_next(stream);
  finish_if_idle(stream);
}

void stream_send(struct stream *stream, struct stream_frame *frame) {
  frame->queued = !stream->is_over;
  if (stream->is_over) return;
  frame->next = NULL;
  *stream->last = frame;
  stream->last = &frame->next;
  reactor_at_turn_end(stream->reactor, &stream->flush);
}

/* False when more has to come first. */
static bool take_payload(struct stream *stream) {
  uint32_t left = stream->frame.payload - stream->payload_got, there = stream->in_end - stream->in_start;
  uint32_t taken = left < there ? left : there;
  memcpy(stream->payload + stream->payload_got, stream->in + stream->in_start, taken);
  stream->in_start += taken;
  stream->payload_got += taken;
  if (taken < left) return false;
  if (crc32c(0, stream->payload, stream->frame.payload) != stream->frame.payload_crc) {
    stream_end(stream, -EBADMSG);
    return false;
  }
  stream->in_payload = false;
  stream->counters.frames_heard++;
  stream->kind->heard(stream, &stream->frame, stream->payload);
  return true;
}

static bool take_header(struct stream *stream) {
  if (stream->in_end - stream->in_start < FRAME_HEADER_BYTES) return false;
  if (!frame_read(&stream->frame, stream->in + stream->in_start)) {
    stream_end(stream, -EBADMSG);
    return false;
  }
  stream->payload = NULL;
  if (!stream->kind->admit(stream, &stream->frame, &stream->payload)) {
    stream->is_paused = true;
    return false;
  }
  if (stream->is_ending) {
    if (stream->payload != NULL) stream->kind->abandoned(stream, &stream->frame, stream->payload);
    return false;
  }
  stream->in_start += FRAME_HEADER_BYTES;
  stream->payload_got = 0;
  stream->in_payload = stream->frame.payload > 0;
  if (stream->in_payload) return true;
  stream->counters.frames_heard++;
  stream->kind->heard(stream, &stream->frame, stream->payload);
  return true;
}

static void digest(struct stream *stream) {
  stream->is_paused = false;
  while (!stream->is_ending && (stream->in_payload ? take_payload(stream) : take_header(stream))) {}
  if (stream->in_start > 0) {
    memmove(stream->in, stream->in + stream->in_start, stream->in_end - stream->in_start);
    stream->in_end -= stream->in_start;
    stream->in_start = 0;
  }
  if (!stream->is_paused) receive(stream);
}

static void received(struct reactor_op *op, int result, uint32_t flags) {
  (void)flags;
  struct stream *stream = REACTOR_OF(op, struct stream, receiving);
  stream->is_receiving = false;
  if (result <= 0) stream_end(stream, result < 0 ? result : -ECONNRESET);
  if (stream->is_ending) {
    finish_if_idle(stream);
    return;
  }
  stream->heard_us = reactor_now_us(stream->reactor);
  stream->counters.receives++;
  stream->counters.bytes_heard += (uint64_t)result;
  uint32_t bytes = (uint32_t)result;
  if (stream->in_payload) {
    uint32_t left = stream->frame.payload - stream->payload_got, of_payload = bytes < left ? bytes : left;
    stream->payload_got += of_payload;
    bytes -= of_payload;
  }
  stream->in_end += bytes;
  digest(stream);
}

static void receive(struct stream *stream) {
  if (stream->is_receiving || stream->is_ending) return;
  size_t count = 0;
  if (stream->in_payload) {
    stream->in_parts[count++] = (struct iovec){stream->payload + stream->payload_got, stream->frame.payload - stream->payload_got};
  }
  stream->in_parts[count++] = (struct iovec){stream->in + stream->in_end, STREAM_BUFFER_BYTES - stream->in_end};
  stream->in_message = (struct msghdr){.msg_iov = stream->in_parts, .msg_iovlen = count};
  stream->is_receiving = true;
  struct io_uring_sqe *sqe = reactor_begin_file(stream->reactor, &stream->receiving, IORING_OP_RECVMSG, &stream->socket);
  sqe->addr = (uint64_t)(uintptr_t)&stream->in_message;
  sqe->len = 1;
}

static void resume(struct reactor_task *task) {
  struct stream *stream = REACTOR_OF(task, struct stream, resume);
  if (stream->is_paused && !stream->is_ending) digest(stream);
}

void stream_resume(struct stream *stream) {
  if (!stream->is_ending) reactor_later(stream->reactor, &stream->resume);
}

int stream_start(struct stream *stream, struct reactor *reactor, int fd, const struct stream_kind *kind) {
  memset(stream, 0, sizeof *stream);
  stream->in = malloc(STREAM_BUFFER_BYTES);
  if (stream->in == NULL) {
    close(fd);
    return -ENOMEM;
  }
  int yes = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  stream->kind = kind;
  stream->reactor = reactor;
  stream->socket = reactor_file_add(reactor, fd);
  stream->sending.completed = sent;
  stream->receiving.completed = received;
  stream->flush.run = flush;
  stream->resume.run = resume;
  stream->finish.run = finish;
  stream->last = &stream->first;
  stream->heard_us = reactor_now_us(reactor);
  receive(stream);
  return 0;
}
