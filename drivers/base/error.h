/* What went wrong, as text for people. */
#ifndef CARDINAL_ERROR_H
#define CARDINAL_ERROR_H

#define ERROR_BYTES 512

/* Writes the text, cut where it is too long, and returns `result`. */
__attribute__((format(printf, 3, 4))) int describe(char error[ERROR_BYTES], int result, const char *format, ...);

#endif
