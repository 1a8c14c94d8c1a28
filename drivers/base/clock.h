#ifndef CARDINAL_CLOCK_H
#define CARDINAL_CLOCK_H

#include <stdint.h>

/* Microseconds of the clock that nobody sets. */
int64_t now_us(void);

#endif
