#define _GNU_SOURCE
#include "uart.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/serial.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../worker/worker.h"
#include "parmrk.h"

#define READ_BYTES 4096
#define RECORD_BYTES_MAX 4096
/* Between two looks at a transmitter that is to run empty. */
#define DRAIN_POLL_MS 2
/* A rate within this share of the one asked for is taken: a receiver bears about 5 % between both ends. */
#define BAUD_TOLERANCE_PERCENT 3

struct uart {
  int fd;
  bool exclusive;
  bool parity;
  bool restore;
  bool breaking;
  struct termios2 former;
  /* Guards what follows, up to the mailbox. */
  pthread_mutex_t lock;
  uint8_t *pending;
  size_t pending_bytes;
  size_t pending_done;
  uint32_t drains_wanted;
  int disconnected;
  uint64_t received_bytes;
  uint64_t sent_bytes;
  struct parmrk parmrk;
  /* Where the tty's own counts stood at opening. */
  bool has_icount;
  struct serial_icounter_struct icount;
  struct mailbox box;
  struct worker worker;
};

static void complete_write(struct uart *uart) {
  free(uart->pending);
  uart->pending = NULL;
  mailbox_add_fact(&uart->box, UART_FACT_WRITTEN, 1);
}

static void disconnect(struct uart *uart, int error) {
  if (uart->disconnected != 0) return;
  uart->disconnected = error;
  mailbox_set_fact(&uart->box, UART_FACT_DISCONNECTED, (uint32_t)error);
}

static void read_tty(struct uart *uart) {
  uint8_t bytes[READ_BYTES];
  ssize_t got = read(uart->fd, bytes, sizeof bytes);
  int error = errno;
  pthread_mutex_lock(&uart->lock);
  if (got > 0) {
    uint64_t breaks = uart->parmrk.breaks;
    size_t count = parmrk_parse(&uart->parmrk, bytes, (size_t)got, bytes);
    uart->received_bytes += count;
    mailbox_append(&uart->box, bytes, count, RECORD_BYTES_MAX);
    mailbox_add_fact(&uart->box, UART_FACT_BREAKS, (uint32_t)(uart->parmrk.breaks - breaks));
  } else if (got == 0) {
    disconnect(uart, EIO);
  } else if (error != EAGAIN && error != EINTR) {
    disconnect(uart, error);
  }
  pthread_mutex_unlock(&uart->lock);
}

/* With the lock. Writes on; what the kernel does not take stays pending. */
static void write_pending(struct uart *uart) {
  if (uart->pending == NULL || uart->disconnected != 0) return;
  ssize_t wrote = write(uart->fd, uart->pending + uart->pending_done, uart->pending_bytes - uart->pending_done);
  if (wrote < 0) {
    if (errno != EAGAIN && errno != EINTR) disconnect(uart, errno);
    return;
  }
  uart->pending_done += (size_t)wrote;
  uart->sent_bytes += (uint64_t)wrote;
  if (uart->pending_done == uart->pending_bytes) complete_write(uart);
}

/* Whether the last bit has left. Drivers that cannot tell of the shift register are believed as to their buffer. */
static bool transmitter_is_empty(struct uart *uart) {
  int queued = 0;
  if (ioctl(uart->fd, TIOCOUTQ, &queued) == 0 && queued > 0) return false;
  unsigned status = 0;
  if (ioctl(uart->fd, TIOCSERGETLSR, &status) == 0 && (status & TIOCSER_TEMT) == 0) return false;
  return true;
}

static void drain_on(struct uart *uart) {
  if (uart->drains_wanted == 0 || uart->pending != NULL || !transmitter_is_empty(uart)) return;
  mailbox_add_fact(&uart->box, UART_FACT_DRAINED, uart->drains_wanted);
  uart->drains_wanted = 0;
}

static void *run(void *argument) {
  struct uart *uart = argument;
  struct pollfd fds[2] = {{.fd = uart->worker.event, .events = POLLIN}, {.fd = uart->fd}};
  for (;;) {
    pthread_mutex_lock(&uart->lock);
    bool gone = uart->disconnected != 0;
    fds[1].events = (short)(POLLIN | (uart->pending != NULL ? POLLOUT : 0));
    int timeout = !gone && uart->drains_wanted > 0 && uart->pending == NULL ? DRAIN_POLL_MS : -1;
    pthread_mutex_unlock(&uart->lock);
    /* A tty that has hung up stays ready for ever: it is not polled any more. */
    fds[1].revents = 0;
    if (poll(fds, gone ? 1 : 2, timeout) < 0) continue;
    if ((fds[0].revents & POLLIN) != 0 && !worker_poked(&uart->worker)) return NULL;
    if ((fds[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0) read_tty(uart);
    pthread_mutex_lock(&uart->lock);
    if ((fds[1].revents & POLLOUT) != 0) write_pending(uart);
    if ((fds[1].revents & POLLNVAL) != 0) disconnect(uart, EBADF);
    if (uart->disconnected == 0) drain_on(uart);
    pthread_mutex_unlock(&uart->lock);
    mailbox_signal(&uart->box);
  }
}

static unsigned control_flags(const struct uart_options *options) {
  static const unsigned sizes[] = {CS5, CS6, CS7, CS8};
  unsigned flags = BOTHER | CLOCAL | CREAD | sizes[options->data_bits - 5];
  if (options->stop_bits == 2) flags |= CSTOPB;
  if (options->parity != 'n') flags |= PARENB;
  if (options->parity == 'o' || options->parity == 'm') flags |= PARODD;
  if (options->parity == 'm' || options->parity == 's') flags |= CMSPAR;
  if (options->rtscts) flags |= CRTSCTS;
  if (options->hupcl) flags |= HUPCL;
  return flags;
}

static unsigned input_flags(const struct uart_options *options) {
  unsigned flags = PARMRK | INPCK;
  if (options->xon) flags |= IXON;
  if (options->xoff) flags |= IXOFF;
  if (options->xany) flags |= IXANY;
  return flags;
}

static bool is_near(uint32_t offered, uint32_t wanted) {
  uint64_t apart = offered > wanted ? offered - wanted : wanted - offered;
  return apart * 100 <= (uint64_t)wanted * BAUD_TOLERANCE_PERCENT;
}

/* Sets and reads back: a tty takes what it can and says nothing of the rest. `offered` is the rate that it took. */
static int set_tty(int fd, const struct termios2 *wanted, uint32_t *offered) {
  if (ioctl(fd, TCSETS2, wanted) < 0) return -errno;
  struct termios2 taken;
  if (ioctl(fd, TCGETS2, &taken) < 0) return -errno;
  *offered = taken.c_ospeed;
  return is_near(taken.c_ospeed, wanted->c_ospeed) ? 0 : -EINVAL;
}

static int describe_open(char error[ERROR_BYTES], const char *path, int number) {
  switch (number) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return describe(error, -number, "uart: there is no tty \"%s\"", path);
    case EACCES:
    case EPERM:
      return describe(error, -number,
                      "uart: no permission to open \"%s\": read and write access is needed (often: membership of the group that owns it)",
                      path);
    case EBUSY:
      return describe(error, -number, "uart: \"%s\" is in use by another program", path);
    default:
      return describe(error, -number, "uart: \"%s\" cannot be opened: %s", path, strerrordesc_np(number));
  }
}

static int claim_tty(struct uart *uart, const struct uart_options *options, char error[ERROR_BYTES]) {
  uart->fd = open(options->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (uart->fd < 0) return describe_open(error, options->path, errno);
  if (ioctl(uart->fd, TCGETS2, &uart->former) < 0) return describe(error, -ENOTTY, "uart: \"%s\" is not a tty", options->path);
  if (!options->lock) return 0;
  /* TIOCEXCL does not hold against a privileged program, so those that lock files like this one are asked too. */
  if (flock(uart->fd, LOCK_EX | LOCK_NB) < 0) {
    return describe_open(error, options->path, errno == EWOULDBLOCK ? EBUSY : errno);
  }
  if (ioctl(uart->fd, TIOCEXCL) < 0) return describe_open(error, options->path, errno);
  uart->exclusive = true;
  return 0;
}

static int prepare_tty(struct uart *uart, const struct uart_options *options, char error[ERROR_BYTES]) {
  struct termios2 settings = uart->former;
  settings.c_iflag = input_flags(options);
  settings.c_oflag = 0;
  settings.c_lflag = 0;
  settings.c_cflag = control_flags(options);
  settings.c_ispeed = options->baud;
  settings.c_ospeed = options->baud;
  settings.c_cc[VMIN] = 1;
  settings.c_cc[VTIME] = 0;
  uint32_t offered = 0;
  uart->restore = true;
  int result = set_tty(uart->fd, &settings, &offered);
  if (result == -EINVAL && offered != 0) {
    return describe(error, result, "uart: \"%s\" cannot do %u baud; the nearest that it offers is %u", options->path, options->baud,
                    offered);
  }
  if (result < 0) return describe(error, result, "uart: \"%s\" cannot be set up: %s", options->path, strerrordesc_np(-result));
  if (ioctl(uart->fd, TCFLSH, TCIFLUSH) < 0) return describe_open(error, options->path, errno);
  uart->parity = options->parity != 'n';
  uart->has_icount = ioctl(uart->fd, TIOCGICOUNT, &uart->icount) == 0;
  return 0;
}

static void restore_tty(struct uart *uart) {
  int queued = 0;
  /* Bytes that wait for a peer's permission to send would hold the close up for half a minute. */
  if (ioctl(uart->fd, TIOCOUTQ, &queued) == 0 && queued > 0) ioctl(uart->fd, TCFLSH, TCOFLUSH);
  if (uart->breaking) ioctl(uart->fd, TIOCCBRK);
  ioctl(uart->fd, TCSETS2, &uart->former);
}

/* A tty that was refused is another program's: nothing of it is touched. */
static void give_back_tty(struct uart *uart) {
  if (uart->fd < 0) return;
  if (uart->restore) restore_tty(uart);
  if (uart->exclusive) ioctl(uart->fd, TIOCNXCL);
  close(uart->fd);
}

static void free_uart(struct uart *uart) {
  give_back_tty(uart);
  mailbox_free(&uart->box);
  pthread_mutex_destroy(&uart->lock);
  free(uart->pending);
  free(uart);
}

int uart_open(struct uart **out, const struct uart_options *options, void (*wake)(void *context), void *context,
              char error[ERROR_BYTES]) {
  struct uart *uart = calloc(1, sizeof *uart);
  if (uart == NULL) return describe(error, -ENOMEM, "uart: out of memory");
  uart->fd = -1;
  pthread_mutex_init(&uart->lock, NULL);
  int result = mailbox_init(&uart->box, options->queue_bytes, UINT32_MAX, wake, context);
  if (result < 0) describe(error, result, "uart: out of memory");
  if (result == 0) result = claim_tty(uart, options, error);
  if (result == 0) result = prepare_tty(uart, options, error);
  if (result == 0) {
    result = worker_start(&uart->worker, "cardinal-uart", run, uart);
    if (result < 0) describe(error, result, "uart: no thread can be started: %s", strerrordesc_np(-result));
  }
  if (result < 0) {
    free_uart(uart);
    return result;
  }
  *out = uart;
  return 0;
}

size_t uart_take(struct uart *uart, uint8_t *into, size_t room, enum mailbox_want want) {
  return mailbox_take(&uart->box, into, room, want);
}

/* With the lock: -errno, or how much the kernel took at once. */
static ssize_t write_at_once(struct uart *uart, const uint8_t *bytes, size_t length) {
  if (uart->disconnected != 0) return -uart->disconnected;
  if (uart->pending != NULL) return -EBUSY;
  ssize_t wrote = write(uart->fd, bytes, length);
  if (wrote < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
  uart->sent_bytes += (uint64_t)wrote;
  return wrote;
}

/* With the lock: leaves the bytes to the thread. */
static int leave_pending(struct uart *uart, const uint8_t *bytes, size_t length) {
  uart->pending = malloc(length);
  if (uart->pending == NULL) return -ENOMEM;
  memcpy(uart->pending, bytes, length);
  uart->pending_bytes = length;
  uart->pending_done = 0;
  worker_poke(&uart->worker);
  return 0;
}

int uart_write(struct uart *uart, const uint8_t *bytes, size_t length) {
  pthread_mutex_lock(&uart->lock);
  ssize_t wrote = write_at_once(uart, bytes, length);
  int result = wrote < 0 ? (int)wrote : (size_t)wrote == length ? 1 : leave_pending(uart, bytes + wrote, length - (size_t)wrote);
  pthread_mutex_unlock(&uart->lock);
  return result;
}

int uart_drain(struct uart *uart) {
  pthread_mutex_lock(&uart->lock);
  int result = 0;
  if (uart->disconnected != 0) {
    result = -uart->disconnected;
  } else if (uart->pending == NULL && transmitter_is_empty(uart)) {
    result = 1;
  } else {
    uart->drains_wanted++;
    worker_poke(&uart->worker);
  }
  pthread_mutex_unlock(&uart->lock);
  return result;
}

int uart_flush(struct uart *uart) {
  pthread_mutex_lock(&uart->lock);
  if (uart->pending != NULL) complete_write(uart);
  mailbox_discard(&uart->box);
  int result = ioctl(uart->fd, TCFLSH, TCIOFLUSH) < 0 ? -errno : 0;
  pthread_mutex_unlock(&uart->lock);
  mailbox_signal(&uart->box);
  return result;
}

int uart_set_lines(struct uart *uart, unsigned mask, unsigned lines) {
  int set = 0, clear = 0;
  if ((mask & UART_DTR) != 0) *((lines & UART_DTR) != 0 ? &set : &clear) |= TIOCM_DTR;
  if ((mask & UART_RTS) != 0) *((lines & UART_RTS) != 0 ? &set : &clear) |= TIOCM_RTS;
  if (set != 0 && ioctl(uart->fd, TIOCMBIS, &set) < 0) return -errno;
  if (clear != 0 && ioctl(uart->fd, TIOCMBIC, &clear) < 0) return -errno;
  if ((mask & UART_BREAK) == 0) return 0;
  uart->breaking = (lines & UART_BREAK) != 0;
  return ioctl(uart->fd, uart->breaking ? TIOCSBRK : TIOCCBRK) < 0 ? -errno : 0;
}

int uart_get_lines(struct uart *uart) {
  int status = 0;
  if (ioctl(uart->fd, TIOCMGET, &status) < 0) return -errno;
  unsigned lines = 0;
  if ((status & TIOCM_CTS) != 0) lines |= UART_CTS;
  if ((status & TIOCM_DSR) != 0) lines |= UART_DSR;
  if ((status & TIOCM_CAR) != 0) lines |= UART_DCD;
  return (int)lines;
}

int uart_set_baud(struct uart *uart, uint32_t baud) {
  struct termios2 before;
  if (ioctl(uart->fd, TCGETS2, &before) < 0) return -errno;
  struct termios2 wanted = before;
  wanted.c_cflag = (wanted.c_cflag & ~(unsigned)(CBAUD | (CBAUD << IBSHIFT))) | BOTHER;
  wanted.c_ispeed = baud;
  wanted.c_ospeed = baud;
  uint32_t offered;
  int result = set_tty(uart->fd, &wanted, &offered);
  if (result == -EINVAL) ioctl(uart->fd, TCSETS2, &before);
  return result;
}

int uart_get_baud(struct uart *uart, uint32_t *baud) {
  struct termios2 settings;
  if (ioctl(uart->fd, TCGETS2, &settings) < 0) return -errno;
  *baud = settings.c_ospeed;
  return 0;
}

static uint64_t grown(int now, int before) {
  return (uint32_t)now - (uint32_t)before;
}

void uart_count(struct uart *uart, struct uart_counters *counters) {
  memset(counters, 0, sizeof *counters);
  uint64_t records;
  mailbox_dropped(&uart->box, &records, &counters->dropped_bytes);
  pthread_mutex_lock(&uart->lock);
  counters->received_bytes = uart->received_bytes;
  counters->sent_bytes = uart->sent_bytes;
  counters->breaks = uart->parmrk.breaks;
  struct serial_icounter_struct icount;
  if (uart->has_icount && ioctl(uart->fd, TIOCGICOUNT, &icount) == 0) {
    counters->framing_errors = grown(icount.frame, uart->icount.frame);
    counters->parity_errors = grown(icount.parity, uart->icount.parity);
    counters->overruns = grown(icount.overrun, uart->icount.overrun) + grown(icount.buf_overrun, uart->icount.buf_overrun);
  } else if (uart->parity) {
    counters->parity_errors = uart->parmrk.errors;
  } else {
    /* Without parity a marked byte can only have lacked its stop bit. */
    counters->framing_errors = uart->parmrk.errors;
  }
  pthread_mutex_unlock(&uart->lock);
}

void uart_close(struct uart *uart) {
  worker_stop(&uart->worker);
  free_uart(uart);
}
