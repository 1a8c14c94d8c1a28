#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../addon.h"
#include "../js/js.h"
#include "segment.h"

static void close_core(void *core) {
  segment_close(core);
}

static size_t take_core(void *core, uint8_t *into, size_t room) {
  return segment_take(core, into, room);
}

static const struct js_driver driver = {.close = close_core, .take = take_core};

/* netOpen(ready): port */
static napi_value open_net(napi_env env, napi_callback_info info) {
  napi_value argument;
  struct js_port *port;
  if (!js_arguments(env, info, 1, &argument) || !js_port_make(env, argument, &driver, &port)) return NULL;
  struct segment *segment = NULL;
  int result = segment_open(&segment, js_port_wake, port);
  if (result < 0) return js_port_throw_errno(port, result, "net: the addresses of this machine cannot be watched");
  return js_port_attach(port, segment);
}

static bool read_address(napi_env env, napi_value host, uint32_t prefix, struct net_address *address) {
  char text[NET_ADDRESS_BYTES], error[ERROR_BYTES];
  if (!js_string(env, host, text, sizeof text)) return false;
  if (text[0] == '\0' || net_parse(address, text, prefix) == 0) return true;
  snprintf(error, sizeof error, "net: \"%s\" with prefix %u is no address", text, prefix);
  return js_refuse(env, EINVAL, error);
}

static bool read_interface(napi_env env, napi_value value, char interface[SEGMENT_INTERFACE_BYTES]) {
  char text[256], error[ERROR_BYTES];
  if (!js_string(env, value, text, sizeof text)) return false;
  if (strlen(text) < SEGMENT_INTERFACE_BYTES) {
    strcpy(interface, text);
    return true;
  }
  snprintf(error, sizeof error, "net: there is no interface \"%.200s\"", text);
  return js_refuse(env, ENODEV, error);
}

/* netRequest(port, id, kind, interface, host, prefix, announcements); the host is empty where there is none */
static napi_value request_net(napi_env env, napi_callback_info info) {
  napi_value arguments[7];
  void *core;
  uint32_t kind, prefix;
  struct segment_request request = {0};
  if (!js_port_arguments(env, info, 7, arguments, &core) || !js_uint32(env, arguments[1], &request.id) ||
      !js_uint32(env, arguments[2], &kind) || !read_interface(env, arguments[3], request.interface) ||
      !js_uint32(env, arguments[5], &prefix) || !read_address(env, arguments[4], prefix, &request.address) ||
      !js_uint32(env, arguments[6], &request.announcements)) {
    return NULL;
  }
  request.kind = kind;
  int result = segment_request(core, &request);
  return result < 0 ? js_throw_errno(env, result, "net: too many requests wait") : js_undefined(env);
}

bool net_define(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      JS_FUNCTION("netOpen", open_net),
      JS_FUNCTION("netRequest", request_net),
      JS_FUNCTION("netTake", js_port_take),
      JS_FUNCTION("netClose", js_port_close),
  };
  return js_define(env, exports, functions, sizeof functions / sizeof functions[0]);
}
