#include <errno.h>

#include "../addon.h"
#include "../js/js.h"
#include "device.h"

static void close_core(void *core) {
  device_close(core);
}

static size_t take_core(void *core, uint8_t *into, size_t room) {
  return device_take(core, into, room);
}

static const struct js_driver driver = {.close = close_core, .take = take_core};

/* deviceOpen(path, exclusive, ready): port */
static napi_value open_device(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  char path[DEVICE_PATH_BYTES];
  bool exclusive;
  struct js_port *port;
  if (!js_arguments(env, info, 3, arguments) || !js_string(env, arguments[0], path, sizeof path) ||
      !js_boolean(env, arguments[1], &exclusive) || !js_port_make(env, arguments[2], &driver, &port)) {
    return NULL;
  }
  struct device *device = NULL;
  int result = device_open(&device, path, exclusive, js_port_wake, port);
  if (result < 0) return js_port_throw_errno(port, result, "device: no thread can be started");
  return js_port_attach(port, device);
}

/* deviceAsk(port, kind) */
static napi_value ask_device(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  void *core;
  uint32_t kind;
  if (!js_port_arguments(env, info, 2, arguments, &core) || !js_uint32(env, arguments[1], &kind)) return NULL;
  if (kind != DEVICE_PROBE && kind != DEVICE_RELEASE) return js_throw(env, EINVAL, "device: it is probed or released");
  int result = device_ask(core, kind);
  return result < 0 ? js_throw_errno(env, result, "device: it does not answer what it was asked before") : js_undefined(env);
}

bool device_define(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      JS_FUNCTION("deviceOpen", open_device),
      JS_FUNCTION("deviceAsk", ask_device),
      JS_FUNCTION("deviceTake", js_port_take),
      JS_FUNCTION("deviceClose", js_port_close),
  };
  return js_define(env, exports, functions, sizeof functions / sizeof functions[0]);
}
