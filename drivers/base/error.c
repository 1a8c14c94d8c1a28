#include "error.h"

#include <stdarg.h>
#include <stdio.h>

int describe(char error[ERROR_BYTES], int result, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error, ERROR_BYTES, format, arguments);
  va_end(arguments);
  return result;
}
