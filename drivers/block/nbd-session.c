#define _GNU_SOURCE
#include "nbd-session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nbd-wire.h"

#define RECEIVED_BYTES (64u * 1024u)
/* A payload of which at least so much is to come is received into its buffer. */
#define DIRECT_BYTES (16u * 1024u)
#define PIECES_MAX 160
#define PARTS_MAX 128
#define SOCKET_BYTES (4 * 1024 * 1024)

struct command;

/* What is to be sent: a head, and the data of a piece. */
struct reply {
  struct reply *next;
  struct command *command;
  struct piece *piece; /* whose data follows the head; given back once it is sent */
  uint32_t head_length, data_length;
  uint8_t head[NBD_HEAD_MAX];
};

/* A part of a command that the device gets as one request. */
struct piece {
  struct block_request request;
  struct command *command;
  struct piece *next_free;
  /* Of a WRITE: bytes of its payload that are here. */
  uint32_t filled;
  struct reply reply;
};

struct command {
  struct session *session;
  struct command *next_free;
  uint64_t cookie, offset;
  /* What is left to be cut into pieces, from `offset`. */
  uint32_t remaining;
  uint8_t type, verb, flags;
  /* Its data comes without heads of its pieces, so in their order, and one such stream after the other. */
  bool streams;
  /* Pieces under way, and replies that are not sent; the command being taken in counts as one of the latter. */
  uint32_t pieces, holds;
  int error;
  const char *text;
  struct reply reply;
};

enum intake {
  TAKE_HEAD,    /* requests, as they come */
  TAKE_PAYLOAD, /* of the command that is being taken in */
  TAKE_PIECES,  /* the command needs no more of the host, but room */
  TAKE_NOTHING, /* it said goodbye, or is to end */
};

struct session {
  struct nbd_session shown;
  struct reactor_file socket;
  bool structured, read_only, fast_zero;

  enum intake intake;
  struct command *current;
  /* A payload that nobody wants. */
  uint32_t skipping;
  struct piece *filling;
  uint32_t received_at, received_end;
  bool receiving, receiving_directly;
  struct reactor_op receive;
  struct reactor_task advance;
  struct reactor_task pool_task;
  struct gate_wait gate_wait;
  bool waits_for_pool, waits_for_gate;

  struct reply *first_reply, **last_reply;
  /* One that streams, begun and not complete: the replies to others are held meanwhile. */
  const struct command *stream;
  struct reply *first_held, **last_held;
  bool sending;
  size_t first_sent;
  struct reactor_op send;
  struct reactor_task flush;
  struct msghdr message;
  struct iovec parts[PARTS_MAX];

  uint64_t bytes_taken;
  struct command *free_commands;
  struct piece *free_pieces;

  /* No reply is sent any more; the error is why. */
  bool broken, ending_told;
  int error;
  /* Of what is sent, or of the end; and of a payload that is awaited, which holds a buffer. */
  struct reactor_timer timer, payload_timer;
  struct command commands[NBD_COMMANDS_MAX];
  struct piece pieces[PIECES_MAX];
  uint8_t received[RECEIVED_BYTES];
};

static void advance(struct session *session);
static void end_if_idle(struct session *session);

static struct reactor *reactor_of(const struct session *session) {
  return session->shown.front->device->reactor;
}

static struct block_gate *gate_of(const struct session *session) {
  return &session->shown.front->device->gate;
}

static void advance_later(struct session *session) {
  reactor_later(reactor_of(session), &session->advance);
}

/* ---- the end of a session ---- */

/* Nothing more is taken from the host; what is under way is answered. */
static void end_softly(struct session *session, int64_t within_us) {
  session->intake = TAKE_NOTHING;
  if (session->receiving) reactor_cancel(reactor_of(session), &session->receive);
  reactor_timer_set(reactor_of(session), &session->timer, reactor_now_us(reactor_of(session)) + within_us);
  advance_later(session);
}

/* Nothing more is sent either. */
static void break_off(struct session *session, int error) {
  if (session->broken) return;
  session->broken = true;
  session->error = error;
  shutdown(session->socket.fd, SHUT_RDWR);
  end_softly(session, NBD_LEAVE_US);
}

static void on_timer(struct reactor_timer *timer) {
  struct session *session = REACTOR_OF(timer, struct session, timer);
  break_off(session, -ETIMEDOUT);
}

static void on_payload_timer(struct reactor_timer *timer) {
  struct session *session = REACTOR_OF(timer, struct session, payload_timer);
  break_off(session, -ETIMEDOUT);
}

static void give_data(struct session *session, struct piece *piece) {
  if (piece->request.data == NULL) return;
  pool_give(reactor_pool(reactor_of(session)), piece->request.data);
  session->bytes_taken -= piece->request.length;
  piece->request.data = NULL;
}

/* What is taken in may have waited for it. */
static void give_piece(struct session *session, struct piece *piece) {
  give_data(session, piece);
  advance_later(session);
  piece->next_free = session->free_pieces;
  session->free_pieces = piece;
}

static void free_if_over(struct command *command) {
  struct session *session = command->session;
  if (command->holds > 0 || command->pieces > 0) return;
  command->next_free = session->free_commands;
  session->free_commands = command;
  session->shown.under_way--;
  advance_later(session);
}

static void let_go(struct command *command) {
  command->holds--;
  free_if_over(command);
}

static void drop_list(struct session *session, struct reply **first, struct reply ***last) {
  while (*first != NULL) {
    struct reply *reply = *first;
    *first = reply->next;
    if (reply->piece != NULL) give_piece(session, reply->piece);
    let_go(reply->command);
  }
  *last = first;
}

static void drop_replies(struct session *session) {
  drop_list(session, &session->first_reply, &session->last_reply);
  drop_list(session, &session->first_held, &session->last_held);
  session->stream = NULL;
  session->first_sent = 0;
}

static void free_session(struct session *session) {
  struct reactor *reactor = reactor_of(session);
  reactor_timer_cancel(reactor, &session->timer);
  reactor_timer_cancel(reactor, &session->payload_timer);
  reactor_file_remove(reactor, &session->socket);
  close(session->socket.fd);
  nbd_session_ended(&session->shown, session->error);
  free(session);
}

/* Whether something may still call back. */
static bool is_busy(const struct session *session) {
  return session->receiving || session->sending || session->shown.under_way > 0 || session->advance.queued || session->flush.queued ||
         session->pool_task.queued || session->first_reply != NULL;
}

static void stop_waiting(struct session *session) {
  if (session->waits_for_pool) pool_wait_no_more(reactor_pool(reactor_of(session)), &session->pool_task);
  if (session->waits_for_gate) gate_wait_no_more(gate_of(session), &session->gate_wait);
  session->waits_for_pool = session->waits_for_gate = false;
}

/* Lets go of what is half taken in, and of the session when nothing of it is under way. */
static void end_if_idle(struct session *session) {
  if (session->intake != TAKE_NOTHING) return;
  if (session->filling != NULL && !session->receiving) {
    struct piece *piece = session->filling;
    session->filling = NULL;
    give_piece(session, piece);
  }
  if (session->current != NULL && session->filling == NULL) {
    struct command *command = session->current;
    session->current = NULL;
    command->remaining = 0;
    if (command->error == 0) command->error = -ESHUTDOWN;
    let_go(command);
  }
  stop_waiting(session);
  if (session->broken && !session->sending) drop_replies(session);
  if (!is_busy(session)) free_session(session);
}

/* ---- replies ---- */

static void queue_reply(struct session *session, struct reply *reply, struct command *command, struct piece *piece) {
  reply->command = command;
  reply->piece = piece;
  reply->data_length = 0;
  reply->next = NULL;
  command->holds++;
  bool held = session->stream != NULL && session->stream != command;
  struct reply ***last = held ? &session->last_held : &session->last_reply;
  **last = reply;
  *last = &reply->next;
  reactor_at_turn_end(reactor_of(session), &session->flush);
}

/* The stream is complete. */
static void release_held(struct session *session) {
  session->stream = NULL;
  if (session->first_held == NULL) return;
  *session->last_reply = session->first_held;
  session->last_reply = session->last_held;
  session->first_held = NULL;
  session->last_held = &session->first_held;
}

/* The command's last word, where data does not say it. */
static void reply_plainly(struct command *command) {
  struct session *session = command->session;
  struct reply *reply = &command->reply;
  if (command->error != 0) session->shown.counts.refused++;
  bool as_chunk = session->structured && (command->error != 0 || command->type == NBD_READ);
  if (as_chunk) reply->head_length = nbd_write_error(reply->head, command->cookie, command->error, command->text);
  else reply->head_length = nbd_write_simple(reply->head, command->cookie, command->error);
  queue_reply(session, reply, command, NULL);
}

static void add_part(struct session *session, const void *from, size_t length, size_t *skip) {
  if (*skip >= length) {
    *skip -= length;
    return;
  }
  session->parts[session->message.msg_iovlen++] = (struct iovec){(uint8_t *)(uintptr_t)from + *skip, length - *skip};
  *skip = 0;
}

static void send_replies(struct session *session) {
  if (session->sending || session->first_reply == NULL) return;
  size_t skip = session->first_sent;
  session->message.msg_iovlen = 0;
  for (struct reply *reply = session->first_reply; reply != NULL && session->message.msg_iovlen + 2 <= PARTS_MAX; reply = reply->next) {
    add_part(session, reply->head, reply->head_length, &skip);
    if (reply->data_length > 0) add_part(session, reply->piece->request.data, reply->data_length, &skip);
  }
  session->sending = true;
  /* What is to end keeps its own, nearer bound. */
  if (session->intake != TAKE_NOTHING) {
    reactor_timer_set(reactor_of(session), &session->timer, reactor_now_us(reactor_of(session)) + NBD_STALLED_US);
  }
  reactor_send_message(reactor_of(session), &session->send, &session->socket, &session->message, MSG_NOSIGNAL);
}

static void on_flush(struct reactor_task *task) {
  struct session *session = REACTOR_OF(task, struct session, flush);
  if (!session->broken) send_replies(session);
  end_if_idle(session);
}

static void on_sent(struct reactor_op *op, int result, uint32_t flags) {
  (void)flags;
  struct session *session = REACTOR_OF(op, struct session, send);
  session->sending = false;
  if (result <= 0 && result != -EAGAIN && result != -EINTR) break_off(session, result == 0 ? -EPIPE : result);
  if (session->broken) {
    end_if_idle(session);
    return;
  }
  if (result > 0) session->first_sent += (size_t)result;
  while (session->first_reply != NULL) {
    struct reply *reply = session->first_reply;
    size_t length = (size_t)reply->head_length + reply->data_length;
    if (session->first_sent < length) break;
    session->first_sent -= length;
    session->first_reply = reply->next;
    if (session->first_reply == NULL) session->last_reply = &session->first_reply;
    if (reply->piece != NULL) give_piece(session, reply->piece);
    let_go(reply->command);
  }
  if (session->first_reply != NULL) {
    send_replies(session);
  } else if (session->intake != TAKE_NOTHING) {
    reactor_timer_cancel(reactor_of(session), &session->timer);
  }
  end_if_idle(session);
}

/* ---- what the device answered ---- */

/* Says how a command ended, once nothing of it is to come; of a read that went well its data has said it. */
static void reply_if_over(struct command *command) {
  const struct session *session = command->session;
  if (command->pieces > 0 || command->remaining > 0 || session->current == command || session->broken) return;
  if (command->type == NBD_READ && command->error == 0) return;
  reply_plainly(command);
}

static void reply_with_data(struct command *command, struct piece *piece) {
  struct session *session = command->session;
  struct reply *reply = &piece->reply;
  const struct block_request *request = &piece->request;
  session->shown.counts.read_bytes += request->length;
  bool last = command->pieces == 0 && command->remaining == 0 && command->error == 0;
  if (!session->structured) {
    reply->head_length = session->stream == command ? 0 : nbd_write_simple(reply->head, command->cookie, 0);
    if (!last) session->stream = command;
  } else if (nbd_is_zero(request->data, request->length)) {
    reply->head_length = nbd_write_hole(reply->head, command->cookie, request->offset, request->length, last);
    give_data(session, piece);
    queue_reply(session, reply, command, piece);
    return;
  } else {
    reply->head_length = nbd_write_data(reply->head, command->cookie, request->offset, request->length, last);
  }
  queue_reply(session, reply, command, piece);
  reply->data_length = request->length;
  if (session->stream == command && last) release_held(session);
}

static void on_done(struct block_request *request, int error) {
  struct piece *piece = REACTOR_OF(request, struct piece, request);
  struct command *command = piece->command;
  struct session *session = command->session;
  command->pieces--;
  if (error != 0 && command->error == 0) {
    command->error = error;
    command->text = error == -ESHUTDOWN || error == -ESTALE ? "this card serves the device no longer" : NULL;
    /* What is not asked for yet is not needed any more; a payload has to be taken in all the same. */
    if (command->type != NBD_WRITE) command->remaining = 0;
  }
  if (command->type == NBD_WRITE && error == 0) session->shown.counts.written_bytes += request->length;
  if (command->type == NBD_READ && error == 0 && !session->broken) reply_with_data(command, piece);
  else give_piece(session, piece);
  if (command->error != 0 && session->stream == command) break_off(session, command->error);
  reply_if_over(command);
  free_if_over(command);
  advance_later(session);
}

/* ---- requests ---- */

static struct command *take_command(struct session *session) {
  struct command *command = session->free_commands;
  session->free_commands = command->next_free;
  session->shown.under_way++;
  return command;
}

/* A piece of the current command, with a buffer if it moves data; NULL when there is no room, and then it is tried again. */
static struct piece *take_piece(struct session *session) {
  struct command *command = session->current;
  struct piece *piece = session->free_pieces;
  if (piece == NULL || session->waits_for_pool) return NULL;
  bool moves = command->verb <= BLOCK_WRITE;
  uint32_t most = moves ? BLOCK_REQUEST_MAX : BLOCK_RANGE_MAX;
  uint32_t length = command->remaining < most ? command->remaining : most;
  uint8_t *data = NULL;
  if (moves) {
    if (session->bytes_taken + length > NBD_SESSION_BYTES_MAX) return NULL;
    struct pool *pool = reactor_pool(reactor_of(session));
    data = pool_take(pool, length);
    if (data == NULL) {
      session->waits_for_pool = true;
      pool_wait(pool, &session->pool_task);
      return NULL;
    }
    session->bytes_taken += length;
  }
  session->free_pieces = piece->next_free;
  piece->command = command;
  piece->filled = 0;
  piece->request = (struct block_request){
      .verb = command->verb,
      .flags = command->flags,
      .length = length,
      .offset = command->offset,
      .data = data,
      .done = on_done,
  };
  command->offset += length;
  command->remaining -= length;
  return piece;
}

static void submit(struct session *session, struct piece *piece) {
  piece->command->pieces++;
  block_submit(&gate_of(session)->target, &piece->request);
}

/* The current command is taken in: it ends with its last piece. */
static void finish_intake(struct session *session) {
  struct command *command = session->current;
  session->current = NULL;
  session->intake = TAKE_HEAD;
  reply_if_over(command);
  let_go(command);
}

static struct nbd_bounds bounds_of(const struct session *session) {
  const struct block_target *target = &gate_of(session)->target;
  return (struct nbd_bounds){
      .size = target->size,
      .block_bytes = target->block_bytes,
      .length_max = NBD_REQUEST_MAX,
      .structured = session->structured,
      .read_only = session->read_only || target->read_only,
      .can_discard = target->can_discard,
      .can_zero = target->can_zero,
      .fast_zero = session->fast_zero,
  };
}

static enum block_verb verb_of(uint16_t type) {
  switch (type) {
    case NBD_READ:
      return BLOCK_READ;
    case NBD_WRITE:
      return BLOCK_WRITE;
    case NBD_TRIM:
      return BLOCK_DISCARD;
    case NBD_WRITE_ZEROES:
      return BLOCK_ZERO;
    default:
      return BLOCK_FLUSH;
  }
}

static uint8_t flags_of(const struct nbd_request *request) {
  unsigned flags = 0;
  if ((request->flags & NBD_FUA) != 0 && request->type != NBD_READ && request->type != NBD_FLUSH) flags |= BLOCK_FUA;
  if ((request->flags & NBD_NO_HOLE) != 0) flags |= BLOCK_NO_HOLE;
  return (uint8_t)flags;
}

static void start_command(struct session *session, const struct nbd_request *request) {
  struct command *command = take_command(session);
  struct nbd_bounds bounds = bounds_of(session);
  session->shown.counts.requests++;
  command->cookie = request->cookie;
  command->type = (uint8_t)request->type;
  command->verb = (uint8_t)verb_of(request->type);
  command->flags = flags_of(request);
  command->offset = request->offset;
  command->remaining = request->type == NBD_FLUSH ? 0 : request->length;
  command->streams = request->type == NBD_READ && !session->structured && request->length > BLOCK_REQUEST_MAX;
  command->pieces = 0;
  command->holds = 1;
  command->error = nbd_judge(request, &bounds, &command->text);
  if (command->error == 0 && (request->flags & NBD_DF) != 0 && request->length > BLOCK_REQUEST_MAX) {
    command->error = -EOVERFLOW;
    command->text = "a read in one chunk has at most 1 MiB";
  }
  session->current = command;
  if (command->error != 0) {
    command->remaining = 0;
    session->skipping = request->type == NBD_WRITE ? request->length : 0;
    finish_intake(session);
  } else {
    session->intake = request->type == NBD_WRITE ? TAKE_PAYLOAD : TAKE_PIECES;
  }
}

/* Each of these says whether it got further, and so may be asked again at once. */

static bool take_head(struct session *session) {
  uint32_t there = session->received_end - session->received_at;
  if (session->skipping > 0) {
    uint32_t passed = session->skipping < there ? session->skipping : there;
    session->skipping -= passed;
    session->received_at += passed;
    return passed > 0;
  }
  if (there < NBD_REQUEST_BYTES || session->free_commands == NULL) return false;
  if (gate_is_full(gate_of(session))) {
    if (!session->waits_for_gate) {
      session->waits_for_gate = true;
      gate_wait_for_room(gate_of(session), &session->gate_wait);
    }
    return false;
  }
  struct nbd_request request;
  bool is_request = nbd_request_read(&request, session->received + session->received_at);
  /* A payload that is refused is passed over, but not one of any length. */
  if (!is_request || (request.type == NBD_WRITE && request.length > NBD_REQUEST_MAX)) {
    break_off(session, -EBADMSG);
    return false;
  }
  session->received_at += NBD_REQUEST_BYTES;
  if (request.type == NBD_DISC) end_softly(session, NBD_STALLED_US);
  else start_command(session, &request);
  return request.type != NBD_DISC;
}

static bool take_payload(struct session *session) {
  struct piece *piece = session->filling;
  if (piece == NULL) {
    piece = session->filling = take_piece(session);
    if (piece == NULL) return false;
  }
  uint32_t there = session->received_end - session->received_at;
  uint32_t wanted = piece->request.length - piece->filled;
  uint32_t length = wanted < there ? wanted : there;
  memcpy(piece->request.data + piece->filled, session->received + session->received_at, length);
  session->received_at += length;
  piece->filled += length;
  if (piece->filled < piece->request.length) return false;
  session->filling = NULL;
  reactor_timer_cancel(reactor_of(session), &session->payload_timer);
  submit(session, piece);
  if (session->current->remaining == 0) finish_intake(session);
  return true;
}

static bool take_pieces(struct session *session) {
  struct command *command = session->current;
  if (command->remaining > 0 || command->verb == BLOCK_FLUSH) {
    if (command->streams && (command->pieces > 0 || (session->stream != NULL && session->stream != command))) return false;
    struct piece *piece = take_piece(session);
    if (piece == NULL) return false;
    submit(session, piece);
  }
  if (command->remaining == 0) finish_intake(session);
  return true;
}

static void receive(struct session *session) {
  struct reactor *reactor = reactor_of(session);
  struct piece *piece = session->filling;
  session->receiving = true;
  if (piece != NULL) reactor_timer_set(reactor, &session->payload_timer, reactor_now_us(reactor) + NBD_STALLED_US);
  session->receiving_directly = piece != NULL && piece->request.length - piece->filled >= DIRECT_BYTES;
  if (session->receiving_directly) {
    reactor_receive(reactor, &session->receive, &session->socket, piece->request.data + piece->filled,
                    piece->request.length - piece->filled, MSG_WAITALL);
    return;
  }
  uint32_t there = session->received_end - session->received_at;
  if (session->received_at > 0) {
    memmove(session->received, session->received + session->received_at, there);
    session->received_at = 0;
    session->received_end = there;
  }
  reactor_receive(reactor, &session->receive, &session->socket, session->received + there, RECEIVED_BYTES - there, 0);
}

/* Whether more bytes of the host are what it takes to go on. */
static bool wants_bytes(const struct session *session) {
  uint32_t there = session->received_end - session->received_at;
  if (session->intake == TAKE_HEAD) return session->skipping > 0 || there < NBD_REQUEST_BYTES;
  return session->intake == TAKE_PAYLOAD && session->filling != NULL;
}

static void advance(struct session *session) {
  /* What is received directly goes on where it is. */
  if (session->receiving) {
    end_if_idle(session);
    return;
  }
  bool further = true;
  while (further) {
    switch (session->intake) {
      case TAKE_HEAD:
        further = take_head(session);
        break;
      case TAKE_PAYLOAD:
        further = take_payload(session);
        break;
      case TAKE_PIECES:
        further = take_pieces(session);
        break;
      case TAKE_NOTHING:
        further = false;
        break;
    }
  }
  if (wants_bytes(session)) receive(session);
  end_if_idle(session);
}

static void on_advance(struct reactor_task *task) {
  advance(REACTOR_OF(task, struct session, advance));
}

static void on_pool(struct reactor_task *task) {
  struct session *session = REACTOR_OF(task, struct session, pool_task);
  session->waits_for_pool = false;
  advance(session);
}

static void on_room(struct gate_wait *wait) {
  struct session *session = REACTOR_OF(wait, struct session, gate_wait);
  session->waits_for_gate = false;
  advance_later(session);
}

static void on_received(struct reactor_op *op, int result, uint32_t flags) {
  (void)flags;
  struct session *session = REACTOR_OF(op, struct session, receive);
  session->receiving = false;
  if (session->intake != TAKE_NOTHING) {
    if (result > 0 && session->receiving_directly) {
      session->filling->filled += (uint32_t)result;
    } else if (result > 0) {
      session->received_end += (uint32_t)result;
    } else if (result == 0) {
      /* A host that closes its side between two requests may still read; one in the middle of a request is gone. */
      bool between = session->intake == TAKE_HEAD && session->skipping == 0 && session->received_at == session->received_end;
      if (between) end_softly(session, NBD_STALLED_US);
      else break_off(session, -ECONNRESET);
    } else if (result != -EAGAIN && result != -EINTR) {
      break_off(session, result);
    }
  }
  advance(session);
}

/* ---- its beginning ---- */

static void make_lists(struct session *session) {
  for (size_t index = NBD_COMMANDS_MAX; index-- > 0;) {
    session->commands[index].session = session;
    session->commands[index].next_free = session->free_commands;
    session->free_commands = &session->commands[index];
  }
  for (size_t index = PIECES_MAX; index-- > 0;) {
    session->pieces[index].next_free = session->free_pieces;
    session->free_pieces = &session->pieces[index];
  }
  session->last_reply = &session->first_reply;
  session->last_held = &session->first_held;
}

/* Room for some requests of the largest size, where we may have it. */
static void widen(int fd) {
  int bytes = SOCKET_BYTES;
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) < 0) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

int nbd_session_start(struct nbd_front *front, uint32_t number, int fd, uint32_t options) {
  struct session *session = calloc(1, sizeof *session);
  if (session == NULL) return -ENOMEM;
  session->shown = (struct nbd_session){.front = front, .next = front->sessions, .number = number};
  session->structured = (options & NBD_OPTION_STRUCTURED) != 0;
  session->read_only = (options & NBD_OPTION_READ_ONLY) != 0;
  session->fast_zero = (options & NBD_OPTION_FAST_ZERO) != 0;
  session->message.msg_iov = session->parts;
  session->advance.run = on_advance;
  session->flush.run = on_flush;
  session->pool_task.run = on_pool;
  session->gate_wait.done = on_room;
  session->receive.completed = on_received;
  session->send.completed = on_sent;
  session->timer.expired = on_timer;
  session->payload_timer.expired = on_payload_timer;
  make_lists(session);
  widen(fd);
  session->socket = reactor_file_add(reactor_of(session), fd);
  front->sessions = &session->shown;
  front->count++;
  advance(session);
  return 0;
}

void nbd_session_leave(struct nbd_session *shown) {
  end_softly(REACTOR_OF(shown, struct session, shown), NBD_LEAVE_US);
}
