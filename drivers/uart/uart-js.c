#include <errno.h>

#include "../addon.h"
#include "../js/js.h"
#include "uart.h"

static void close_core(void *core) {
  uart_close(core);
}

/* uartTake() has a third argument. */
static const struct js_driver driver = {.close = close_core};

static bool flag_of(unsigned flags, unsigned index) {
  return (flags >> index & 1) != 0;
}

/*
 * uartOpen(path, baud, dataBits, stopBits, parity, flags, queueBytes, ready): port
 * flags: 1 rtscts, 2 xon, 4 xoff, 8 xany, 16 hupcl, 32 lock. parity: the option's first letter.
 */
static napi_value open_uart(napi_env env, napi_callback_info info) {
  napi_value arguments[8];
  char path[512], parity[8];
  uint32_t flags, queue_bytes;
  struct uart_options options = {.path = path};
  if (!js_arguments(env, info, 8, arguments) || !js_string(env, arguments[0], path, sizeof path) ||
      !js_uint32(env, arguments[1], &options.baud) || !js_uint32(env, arguments[2], &options.data_bits) ||
      !js_uint32(env, arguments[3], &options.stop_bits) || !js_string(env, arguments[4], parity, sizeof parity) ||
      !js_uint32(env, arguments[5], &flags) || !js_uint32(env, arguments[6], &queue_bytes)) {
    return NULL;
  }
  if (options.data_bits < 5 || options.data_bits > 8) return js_throw(env, EINVAL, "dataBits must be 5, 6, 7 or 8");
  options.parity = parity[0];
  options.rtscts = flag_of(flags, 0);
  options.xon = flag_of(flags, 1);
  options.xoff = flag_of(flags, 2);
  options.xany = flag_of(flags, 3);
  options.hupcl = flag_of(flags, 4);
  options.lock = flag_of(flags, 5);
  options.queue_bytes = queue_bytes;
  struct js_port *port;
  if (!js_port_make(env, arguments[7], &driver, &port)) return NULL;
  struct uart *uart = NULL;
  char error[ERROR_BYTES];
  int result = uart_open(&uart, &options, js_port_wake, port, error);
  if (result < 0) return js_port_throw(port, result, error);
  return js_port_attach(port, uart);
}

/* uartTake(port, into, want): bytes written to `into` */
static napi_value take_uart(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  void *core;
  uint8_t *into;
  size_t room;
  uint32_t want;
  if (!js_port_arguments(env, info, 3, arguments, &core) || !js_bytes(env, arguments[1], &into, &room) ||
      !js_uint32(env, arguments[2], &want)) {
    return NULL;
  }
  return js_number(env, (double)uart_take(core, into, room, (enum mailbox_want)want));
}

/* uartWrite(port, bytes): whether they are with the kernel already */
static napi_value write_uart(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  void *core;
  uint8_t *bytes;
  size_t length;
  if (!js_port_arguments(env, info, 2, arguments, &core) || !js_bytes(env, arguments[1], &bytes, &length)) return NULL;
  int result = uart_write(core, bytes, length);
  if (result < 0) return js_throw_errno(env, result, "uart: writing failed");
  return js_flag(env, result == 1);
}

/* uartDrain(port): whether everything has left already */
static napi_value drain_uart(napi_env env, napi_callback_info info) {
  napi_value argument;
  void *core;
  if (!js_port_arguments(env, info, 1, &argument, &core)) return NULL;
  int result = uart_drain(core);
  if (result < 0) return js_throw_errno(env, result, "uart: draining failed");
  return js_flag(env, result == 1);
}

/* uartFlush(port) */
static napi_value flush_uart(napi_env env, napi_callback_info info) {
  napi_value argument;
  void *core;
  if (!js_port_arguments(env, info, 1, &argument, &core)) return NULL;
  int result = uart_flush(core);
  if (result < 0) return js_throw_errno(env, result, "uart: flushing failed");
  return js_undefined(env);
}

/* uartSetLines(port, mask, lines): bits as in enum uart_line */
static napi_value set_lines(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  void *core;
  uint32_t mask, lines;
  if (!js_port_arguments(env, info, 3, arguments, &core) || !js_uint32(env, arguments[1], &mask) || !js_uint32(env, arguments[2], &lines)) {
    return NULL;
  }
  int result = uart_set_lines(core, mask, lines);
  if (result < 0) return js_throw_errno(env, result, "uart: the modem lines cannot be set");
  return js_undefined(env);
}

/* uartGetLines(port): bits as in enum uart_line */
static napi_value get_lines(napi_env env, napi_callback_info info) {
  napi_value argument;
  void *core;
  if (!js_port_arguments(env, info, 1, &argument, &core)) return NULL;
  int result = uart_get_lines(core);
  if (result < 0) return js_throw_errno(env, result, "uart: the modem lines cannot be read");
  return js_number(env, result);
}

/* uartSetBaud(port, baud) */
static napi_value set_baud(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  void *core;
  uint32_t baud;
  if (!js_port_arguments(env, info, 2, arguments, &core) || !js_uint32(env, arguments[1], &baud)) return NULL;
  int result = uart_set_baud(core, baud);
  if (result < 0) return js_throw_errno(env, result, "uart: the baud rate cannot be set");
  return js_undefined(env);
}

/* uartGetBaud(port): number */
static napi_value get_baud(napi_env env, napi_callback_info info) {
  napi_value argument;
  void *core;
  uint32_t baud = 0;
  if (!js_port_arguments(env, info, 1, &argument, &core)) return NULL;
  int result = uart_get_baud(core, &baud);
  if (result < 0) return js_throw_errno(env, result, "uart: the baud rate cannot be read");
  return js_number(env, baud);
}

/* uartCount(port): the counters, named as in UartCounters */
static napi_value count_uart(napi_env env, napi_callback_info info) {
  napi_value argument;
  void *core;
  if (!js_port_arguments(env, info, 1, &argument, &core)) return NULL;
  struct uart_counters counters;
  uart_count(core, &counters);
  napi_value counts = NULL;
  napi_create_object(env, &counts);
  js_set(env, counts, "receivedBytes", js_number(env, (double)counters.received_bytes));
  js_set(env, counts, "sentBytes", js_number(env, (double)counters.sent_bytes));
  js_set(env, counts, "framingErrors", js_number(env, (double)counters.framing_errors));
  js_set(env, counts, "parityErrors", js_number(env, (double)counters.parity_errors));
  js_set(env, counts, "overruns", js_number(env, (double)counters.overruns));
  js_set(env, counts, "breaks", js_number(env, (double)counters.breaks));
  js_set(env, counts, "droppedBytes", js_number(env, (double)counters.dropped_bytes));
  return counts;
}

bool uart_define(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      JS_FUNCTION("uartOpen", open_uart),       JS_FUNCTION("uartTake", take_uart),   JS_FUNCTION("uartWrite", write_uart),
      JS_FUNCTION("uartDrain", drain_uart),     JS_FUNCTION("uartFlush", flush_uart), JS_FUNCTION("uartSetLines", set_lines),
      JS_FUNCTION("uartGetLines", get_lines),   JS_FUNCTION("uartSetBaud", set_baud), JS_FUNCTION("uartGetBaud", get_baud),
      JS_FUNCTION("uartCount", count_uart),     JS_FUNCTION("uartClose", js_port_close),
  };
  return js_define(env, exports, functions, sizeof functions / sizeof functions[0]);
}
