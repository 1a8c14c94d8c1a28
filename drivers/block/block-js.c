#include <errno.h>

#include "../addon.h"
#include "../js/js.h"
#include "engine.h"

static void close_core(void *core) {
  engine_stop(core);
}

static size_t take_core(void *core, uint8_t *into, size_t room) {
  return engine_take(core, into, room);
}

static const struct js_driver driver = {.close = close_core, .take = take_core};

/* blockOpen(reactors, poolBytesMax, faults, ready): port */
static napi_value open_engine(napi_env env, napi_callback_info info) {
  napi_value arguments[4];
  struct engine_options options = {0};
  uint32_t pool_bytes_max;
  struct js_port *port;
  if (!js_arguments(env, info, 4, arguments) || !js_uint32(env, arguments[0], &options.reactors) ||
      !js_uint32(env, arguments[1], &pool_bytes_max) || !js_boolean(env, arguments[2], &options.faults) ||
      !js_port_make(env, arguments[3], &driver, &port)) {
    return NULL;
  }
  options.pool_bytes_max = pool_bytes_max;
  struct engine *engine = NULL;
  char error[ERROR_BYTES];
  int result = engine_start(&engine, &options, js_port_wake, port, error);
  if (result < 0) return js_port_throw(port, result, error);
  return js_port_attach(port, engine);
}

/* blockOrder(port, id, kind, device, bytes) */
static napi_value give_order(napi_env env, napi_callback_info info) {
  napi_value arguments[5];
  void *core;
  uint32_t id, kind, number;
  uint8_t *bytes;
  size_t length;
  if (!js_port_arguments(env, info, 5, arguments, &core) || !js_uint32(env, arguments[1], &id) || !js_uint32(env, arguments[2], &kind) ||
      !js_uint32(env, arguments[3], &number) || !js_bytes(env, arguments[4], &bytes, &length)) {
    return NULL;
  }
  if (length > ENGINE_ORDER_BYTES_MAX) return js_throw(env, E2BIG, "block: an order has at most 2 MiB");
  int result = engine_order(core, id, kind, number, bytes, (uint32_t)length);
  switch (result) {
    case 0:
      return js_undefined(env);
    case -EAGAIN:
      return js_throw(env, result, "block: too many orders are under way");
    case -ENODEV:
      return js_throw(env, result, "block: there is no such device");
    case -EEXIST:
      return js_throw(env, result, "block: there is a device of that number");
    case -ENFILE:
      return js_throw(env, result, "block: there are too many devices");
    default:
      return js_throw_errno(env, result, "block: an order cannot be given");
  }
}

bool block_define(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      JS_FUNCTION("blockOpen", open_engine),
      JS_FUNCTION("blockOrder", give_order),
      JS_FUNCTION("blockTake", js_port_take),
      JS_FUNCTION("blockClose", js_port_close),
  };
  return js_define(env, exports, functions, sizeof functions / sizeof functions[0]);
}
