/*
 * A tty, opened raw.
 *
 *   uart_open()    opens and sets the tty; input that was already there is discarded. On an error `error` says what
 *                  is wrong, with the path
 *   uart_take()    received bytes and the facts below (see mailbox.h)
 *   uart_write()   1 when the bytes are with the kernel, 0 when the thread goes on with them and adds to
 *                  UART_FACT_WRITTEN when they are. One write at a time: -EBUSY while one is under way
 *   uart_drain()   1 when everything written has left, 0 when the thread will add to UART_FACT_DRAINED
 *   uart_flush()   discards what was received and not taken, and written and not sent
 *   uart_close()   ends the thread and a BREAK, discards what has not been sent, gives the tty its former settings
 *
 * One thread polls the tty. The tty marks line errors (PARMRK), parmrk.h takes the marks apart: bytes with an error
 * are dropped and counted, a BREAK is a fact and not a byte. When the mailbox is full its oldest bytes are dropped
 * and counted.
 *
 * A tty that hangs up or fails sets UART_FACT_DISCONNECTED once; bytes that came before are still there to take.
 */
#ifndef CARDINAL_UART_H
#define CARDINAL_UART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/error.h"
#include "../mailbox/mailbox.h"

enum uart_fact {
  /* How many BREAKs were received since the tty was opened. */
  UART_FACT_BREAKS = 0,
  /* The error number of the disconnect, or 0. */
  UART_FACT_DISCONNECTED = 1,
  /* How many writes and drains the thread has completed. */
  UART_FACT_WRITTEN = 2,
  UART_FACT_DRAINED = 3,
};

struct uart;

struct uart_options {
  const char *path;
  uint32_t baud;
  uint32_t data_bits; /* 5 to 8 */
  uint32_t stop_bits; /* 1 or 2 */
  char parity;        /* 'n', 'e', 'o', 'm' (mark) or 's' (space) */
  bool rtscts, xon, xoff, xany;
  bool hupcl;
  bool lock;
  /* What may wait for uart_take(). */
  size_t queue_bytes;
};

struct uart_counters {
  uint64_t received_bytes;
  uint64_t sent_bytes;
  uint64_t framing_errors;
  uint64_t parity_errors;
  uint64_t overruns;
  uint64_t breaks;
  uint64_t dropped_bytes;
};

/* Modem lines and BREAK, as sets of bits. */
enum uart_line { UART_DTR = 1, UART_RTS = 2, UART_BREAK = 4, UART_CTS = 8, UART_DSR = 16, UART_DCD = 32 };

int uart_open(struct uart **uart, const struct uart_options *options, void (*wake)(void *context), void *context,
              char error[ERROR_BYTES]);
size_t uart_take(struct uart *uart, uint8_t *into, size_t room, enum mailbox_want want);
int uart_write(struct uart *uart, const uint8_t *bytes, size_t length);
int uart_drain(struct uart *uart);
int uart_flush(struct uart *uart);
/* Sets the lines of `mask` (of DTR, RTS and BREAK) to those in `lines`. */
int uart_set_lines(struct uart *uart, unsigned mask, unsigned lines);
/* The lines that are set among CTS, DSR and DCD, or -errno. */
int uart_get_lines(struct uart *uart);
/* -EINVAL when the tty cannot do about `baud`; it then keeps the rate that it had. */
int uart_set_baud(struct uart *uart, uint32_t baud);
int uart_get_baud(struct uart *uart, uint32_t *baud);
void uart_count(struct uart *uart, struct uart_counters *counters);
void uart_close(struct uart *uart);

#endif
