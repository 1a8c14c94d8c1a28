#include "crc32c.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#define HARDWARE __attribute__((target("sse4.2")))
#define CRC8(crc, byte) _mm_crc32_u8((uint32_t)(crc), (byte))
#define CRC64(crc, word) _mm_crc32_u64((crc), (word))
#define HAS_HARDWARE() __builtin_cpu_supports("sse4.2")
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#define HWCAP_CRC32_BIT (1UL << 7)
#define HARDWARE __attribute__((target("+crc")))
#define CRC8(crc, byte) __crc32cb((uint32_t)(crc), (byte))
#define CRC64(crc, word) __crc32cd((uint32_t)(crc), (word))
#define HAS_HARDWARE() ((getauxval(AT_HWCAP) & HWCAP_CRC32_BIT) != 0)
#endif

/* The polynomial 0x1edc6f41, its bits reversed. */
#define POLYNOMIAL 0x82f63b78u
/*
 * Of three runs at once, for the instruction takes three cycles and begins one in each; three of them are a block of 4 KiB, but
 * for 16 bytes.
 */
#define RUN_BYTES 1360

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint32_t table[256];
/* What a CRC becomes when RUN_BYTES zeros follow, by each of its bytes. */
static uint32_t after_run[4][256];
static bool by_hardware;

static uint32_t by_table(uint32_t crc, const uint8_t *bytes, size_t length) {
  for (size_t at = 0; at < length; at++) crc = table[(crc ^ bytes[at]) & 0xff] ^ (crc >> 8);
  return crc;
}

static void prepare(void) {
  static const uint8_t zeros[RUN_BYTES];
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? (crc >> 1) ^ POLYNOMIAL : crc >> 1;
    table[byte] = crc;
  }
  for (int place = 0; place < 4; place++) {
    for (int bit = 0; bit < 8; bit++) after_run[place][1 << bit] = by_table(1u << (8 * place + bit), zeros, RUN_BYTES);
    for (uint32_t byte = 1; byte < 256; byte++) {
      uint32_t lowest = byte & -byte;
      if (lowest != byte) after_run[place][byte] = after_run[place][byte ^ lowest] ^ after_run[place][lowest];
    }
  }
#ifdef HARDWARE
  by_hardware = HAS_HARDWARE();
#endif
}

#ifdef HARDWARE
static uint64_t word_at(const uint8_t *bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

static uint32_t behind_run(uint32_t crc) {
  return after_run[0][crc & 0xff] ^ after_run[1][(crc >> 8) & 0xff] ^ after_run[2][(crc >> 16) & 0xff] ^ after_run[3][crc >> 24];
}

HARDWARE static uint32_t by_instruction(uint32_t before, const uint8_t *bytes, size_t length) {
  uint64_t crc = before;
  for (; length >= 3 * RUN_BYTES; length -= 3 * RUN_BYTES, bytes += 3 * RUN_BYTES) {
    uint64_t second = 0, third = 0;
    for (size_t at = 0; at < RUN_BYTES; at += 8) {
      crc = CRC64(crc, word_at(bytes + at));
      second = CRC64(second, word_at(bytes + RUN_BYTES + at));
      third = CRC64(third, word_at(bytes + 2 * RUN_BYTES + at));
    }
    crc = behind_run(behind_run((uint32_t)crc) ^ (uint32_t)second) ^ (uint32_t)third;
  }
  for (; length >= 8; length -= 8, bytes += 8) crc = CRC64(crc, word_at(bytes));
  for (; length > 0; length--, bytes++) crc = CRC8(crc, *bytes);
  return (uint32_t)crc;
}
#endif

uint32_t crc32c(uint32_t before, const void *bytes, size_t length) {
  pthread_once(&once, prepare);
#ifdef HARDWARE
  if (by_hardware) return ~by_instruction(~before, bytes, length);
#endif
  return ~by_table(~before, bytes, length);
}
