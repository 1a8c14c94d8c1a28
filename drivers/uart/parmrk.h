/*
 * What a Linux tty gives with PARMRK and INPCK set and IGNBRK, BRKINT, IGNPAR and ISTRIP clear, taken apart:
 *
 *   0xff 0xff       the byte 0xff
 *   0xff 0x00 0x00  a BREAK
 *   0xff 0x00 byte  a byte received with a parity or framing error
 *
 * A byte 0 with an error reads as a BREAK; the line does not tell them apart. 0xff before any other byte does not
 * occur; should it, it counts as an error and the byte after it is kept.
 */
#ifndef CARDINAL_PARMRK_H
#define CARDINAL_PARMRK_H

#include <stddef.h>
#include <stdint.h>

enum parmrk_state { PARMRK_PLAIN = 0, PARMRK_MARKED, PARMRK_MARKED_NULL };

struct parmrk {
  enum parmrk_state state;
  uint64_t breaks;
  /* Bytes with a parity or framing error; they are not handed on. */
  uint64_t errors;
};

/* Writes the data bytes of `in` to `out`, which may be `in` itself, and returns how many: at most `length`. */
size_t parmrk_parse(struct parmrk *parmrk, const uint8_t *in, size_t length, uint8_t *out);

#endif
