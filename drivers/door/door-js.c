#include <errno.h>
#include <unistd.h>

#include "../addon.h"
#include "../js/js.h"
#include "door.h"

#define PATH_BYTES 256
#define HOST_BYTES 64

static void close_core(void *core) {
  door_close(core);
}

static size_t take_core(void *core, uint8_t *into, size_t room) {
  return door_take(core, into, room);
}

static const struct js_driver driver = {.close = close_core, .take = take_core};

/* doorOpen(connectionsMax, ready): port */
static napi_value open_door(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  uint32_t connections_max;
  struct js_port *port;
  if (!js_arguments(env, info, 2, arguments) || !js_uint32(env, arguments[0], &connections_max) ||
      !js_port_make(env, arguments[1], &driver, &port)) {
    return NULL;
  }
  struct door *door = NULL;
  int result = door_open(&door, connections_max, js_port_wake, port);
  if (result < 0) return js_port_throw_errno(port, result, "door: no thread can be started");
  return js_port_attach(port, door);
}

/* doorListen(port, listener, host, port, path): port */
static napi_value listen_door(napi_env env, napi_callback_info info) {
  napi_value arguments[5];
  void *core;
  uint32_t listener, port;
  char host[HOST_BYTES], path[PATH_BYTES];
  if (!js_port_arguments(env, info, 5, arguments, &core) || !js_uint32(env, arguments[1], &listener) ||
      !js_string(env, arguments[2], host, sizeof host) || !js_uint32(env, arguments[3], &port) ||
      !js_string(env, arguments[4], path, sizeof path)) {
    return NULL;
  }
  int result = door_listen(core, listener, host, port, path);
  return result < 0 ? js_throw_errno(env, result, host[0] == '\0' ? path : host) : js_number(env, result);
}

/* doorConnect(port, host, port): connection */
static napi_value connect_door(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  void *core;
  uint32_t port;
  char host[HOST_BYTES];
  if (!js_port_arguments(env, info, 3, arguments, &core) || !js_string(env, arguments[1], host, sizeof host) ||
      !js_uint32(env, arguments[2], &port)) {
    return NULL;
  }
  int result = door_connect(core, host, port);
  return result < 0 ? js_throw_errno(env, result, host) : js_number(env, result);
}

/* doorUnlisten(port, listener) */
static napi_value unlisten_door(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  void *core;
  uint32_t listener;
  if (!js_port_arguments(env, info, 2, arguments, &core) || !js_uint32(env, arguments[1], &listener)) return NULL;
  door_unlisten(core, listener);
  return js_undefined(env);
}

/* doorAnswer(port, connection, bytes, then): whether the connection is still there */
static napi_value answer_door(napi_env env, napi_callback_info info) {
  napi_value arguments[4];
  void *core;
  uint32_t connection, then;
  uint8_t *bytes;
  size_t length;
  if (!js_port_arguments(env, info, 4, arguments, &core) || !js_uint32(env, arguments[1], &connection) ||
      !js_bytes(env, arguments[2], &bytes, &length) || !js_uint32(env, arguments[3], &then)) {
    return NULL;
  }
  if (then > DOOR_RELEASE) return js_throw(env, EINVAL, "door: an answer is followed by nothing, more, the end or the release");
  int result = door_answer(core, connection, bytes, length, (enum door_then)then);
  if (result < 0 && result != -ENOENT) return js_throw_errno(env, result, "door: a connection cannot be answered");
  return js_flag(env, result == 0);
}

/* doorClaim(port, connection): descriptor */
static napi_value claim_door(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  void *core;
  uint32_t connection;
  if (!js_port_arguments(env, info, 2, arguments, &core) || !js_uint32(env, arguments[1], &connection)) return NULL;
  int result = door_claim(core, connection);
  return result < 0 ? js_throw_errno(env, result, "door: the connection was not released") : js_number(env, result);
}

/* doorPair(port): { connection, descriptor } */
static napi_value pair_door(napi_env env, napi_callback_info info) {
  napi_value argument;
  void *core;
  int descriptor;
  if (!js_port_arguments(env, info, 1, &argument, &core)) return NULL;
  int result = door_pair(core, &descriptor);
  if (result < 0) return js_throw_errno(env, result, "door: no pair of sockets can be made");
  napi_value pair = NULL;
  napi_create_object(env, &pair);
  js_set(env, pair, "connection", js_number(env, result));
  js_set(env, pair, "descriptor", js_number(env, descriptor));
  return pair;
}

/* doorDiscard(descriptor): closes one that was claimed and that nobody wants */
static napi_value discard_descriptor(napi_env env, napi_callback_info info) {
  napi_value argument;
  uint32_t descriptor;
  if (!js_arguments(env, info, 1, &argument) || !js_uint32(env, argument, &descriptor)) return NULL;
  close((int)descriptor);
  return js_undefined(env);
}

bool door_define(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      JS_FUNCTION("doorOpen", open_door),       JS_FUNCTION("doorListen", listen_door), JS_FUNCTION("doorUnlisten", unlisten_door),
      JS_FUNCTION("doorAnswer", answer_door),   JS_FUNCTION("doorClaim", claim_door),   JS_FUNCTION("doorPair", pair_door),
      JS_FUNCTION("doorConnect", connect_door),
      JS_FUNCTION("doorDiscard", discard_descriptor), JS_FUNCTION("doorTake", js_port_take), JS_FUNCTION("doorClose", js_port_close),
  };
  return js_define(env, exports, functions, sizeof functions / sizeof functions[0]);
}
