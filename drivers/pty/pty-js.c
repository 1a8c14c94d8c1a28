#include "../addon.h"
#include "../js/js.h"
#include "pty.h"

static void close_core(void *core) {
  pty_close(core);
}

static size_t take_core(void *core, uint8_t *into, size_t room) {
  return pty_take(core, into, room);
}

static const struct js_driver driver = {.close = close_core, .take = take_core};

/* ptyOpen(queueBytes, ready): { port, path } */
static napi_value open_pty(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  uint32_t queue_bytes;
  struct js_port *port;
  if (!js_arguments(env, info, 2, arguments) || !js_uint32(env, arguments[0], &queue_bytes) ||
      !js_port_make(env, arguments[1], &driver, &port)) {
    return NULL;
  }
  struct pty *pty = NULL;
  char path[PTY_PATH_BYTES];
  int result = pty_open(&pty, queue_bytes, js_port_wake, port, path);
  if (result < 0) return js_port_throw_errno(port, result, "a pseudo terminal cannot be opened");
  napi_value value = js_port_attach(port, pty);
  if (value == NULL) return NULL;
  napi_value opened = NULL;
  napi_create_object(env, &opened);
  js_set(env, opened, "port", value);
  js_set(env, opened, "path", js_text(env, path));
  return opened;
}

/* ptyWrite(port, bytes): bytes taken */
static napi_value write_pty(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  void *core;
  uint8_t *bytes;
  size_t length;
  if (!js_port_arguments(env, info, 2, arguments, &core) || !js_bytes(env, arguments[1], &bytes, &length)) return NULL;
  ssize_t written = pty_write(core, bytes, length);
  if (written < 0) return js_throw_errno(env, (int)written, "the pseudo terminal cannot be written");
  return js_number(env, (double)written);
}

bool pty_define(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      JS_FUNCTION("ptyOpen", open_pty),
      JS_FUNCTION("ptyTake", js_port_take),
      JS_FUNCTION("ptyWrite", write_pty),
      JS_FUNCTION("ptyClose", js_port_close),
  };
  return js_define(env, exports, functions, sizeof functions / sizeof functions[0]);
}
