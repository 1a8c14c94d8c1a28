#include "parmrk.h"

size_t parmrk_parse(struct parmrk *parmrk, const uint8_t *in, size_t length, uint8_t *out) {
  size_t count = 0;
  for (size_t index = 0; index < length; index++) {
    uint8_t byte = in[index];
    switch (parmrk->state) {
      case PARMRK_PLAIN:
        if (byte == 0xff) {
          parmrk->state = PARMRK_MARKED;
        } else {
          out[count++] = byte;
        }
        break;
      case PARMRK_MARKED:
        if (byte == 0) {
          parmrk->state = PARMRK_MARKED_NULL;
          break;
        }
        if (byte != 0xff) parmrk->errors++;
        out[count++] = byte;
        parmrk->state = PARMRK_PLAIN;
        break;
      case PARMRK_MARKED_NULL:
        if (byte == 0) {
          parmrk->breaks++;
        } else {
          parmrk->errors++;
        }
        parmrk->state = PARMRK_PLAIN;
        break;
    }
  }
  return count;
}
