#include <errno.h>
#include <string.h>

#include "../addon.h"
#include "../js/js.h"
#include "ether.h"

static void close_core(void *core) {
  ether_close(core);
}

static size_t take_core(void *core, uint8_t *into, size_t room) {
  return ether_take(core, into, room);
}

static const struct js_driver driver = {.close = close_core, .take = take_core};

static bool read_types(napi_env env, napi_value value, struct ether_options *options) {
  uint32_t count = 0;
  napi_get_array_length(env, value, &count);
  if (count < 1 || count > ETHER_TYPES_MAX) return js_refuse(env, EINVAL, "ether: one to eight EtherTypes are received");
  for (uint32_t index = 0; index < count; index++) {
    napi_value item = NULL;
    uint32_t type;
    napi_get_element(env, value, index, &item);
    if (!js_uint32(env, item, &type)) return false;
    if (type < 0x600 || type > 0xffff) return js_refuse(env, EINVAL, "ether: an EtherType is from 0x0600 to 0xffff");
    options->types[options->type_count++] = (uint16_t)type;
  }
  return true;
}

static bool read_groups(napi_env env, napi_value value, struct ether_options *options) {
  uint32_t count = 0;
  napi_get_array_length(env, value, &count);
  if (count > ETHER_GROUPS_MAX) return js_refuse(env, EINVAL, "ether: at most sixteen groups are joined");
  for (uint32_t index = 0; index < count; index++) {
    napi_value item = NULL;
    uint8_t *bytes;
    size_t length;
    napi_get_element(env, value, index, &item);
    if (!js_bytes(env, item, &bytes, &length)) return false;
    if (length != ETHER_MAC_BYTES) return js_refuse(env, EINVAL, "ether: a group is an address of six bytes");
    memcpy(options->groups[options->group_count++], bytes, ETHER_MAC_BYTES);
  }
  return true;
}

static napi_value describe_port(napi_env env, struct ether *ether, napi_value port) {
  uint8_t mac[ETHER_MAC_BYTES];
  uint32_t mtu;
  ether_address(ether, mac, &mtu);
  napi_value opened = NULL, buffer = NULL, address = NULL;
  void *data = NULL;
  if (napi_create_arraybuffer(env, ETHER_MAC_BYTES, &data, &buffer) != napi_ok) return NULL;
  memcpy(data, mac, ETHER_MAC_BYTES);
  napi_create_typedarray(env, napi_uint8_array, ETHER_MAC_BYTES, buffer, 0, &address);
  napi_create_object(env, &opened);
  js_set(env, opened, "port", port);
  js_set(env, opened, "mac", address);
  js_set(env, opened, "mtu", js_number(env, mtu));
  return opened;
}

/* etherOpen(interface, etherTypes, groups, queueFrames, ready): { port, mac, mtu } */
static napi_value open_ether(napi_env env, napi_callback_info info) {
  napi_value arguments[5];
  char interface[256];
  struct ether_options options = {.interface = interface};
  if (!js_arguments(env, info, 5, arguments) || !js_string(env, arguments[0], interface, sizeof interface) ||
      !read_types(env, arguments[1], &options) || !read_groups(env, arguments[2], &options) ||
      !js_uint32(env, arguments[3], &options.queue_frames)) {
    return NULL;
  }
  struct js_port *port;
  if (!js_port_make(env, arguments[4], &driver, &port)) return NULL;
  struct ether *ether = NULL;
  char error[ERROR_BYTES];
  int result = ether_open(&ether, &options, js_port_wake, port, error);
  if (result < 0) return js_port_throw(port, result, error);
  napi_value value = js_port_attach(port, ether);
  return value == NULL ? NULL : describe_port(env, ether, value);
}

/* etherSend(port, destination, etherType, payload): whether it was taken */
static napi_value send_ether(napi_env env, napi_callback_info info) {
  napi_value arguments[4];
  void *core;
  uint8_t *destination, *payload;
  size_t destination_bytes, length;
  uint32_t type;
  if (!js_port_arguments(env, info, 4, arguments, &core) || !js_bytes(env, arguments[1], &destination, &destination_bytes) ||
      !js_uint32(env, arguments[2], &type) || !js_bytes(env, arguments[3], &payload, &length)) {
    return NULL;
  }
  if (destination_bytes != ETHER_MAC_BYTES) return js_throw(env, EINVAL, "ether: a destination is an address of six bytes");
  return js_flag(env, ether_send(core, destination, (uint16_t)type, payload, length) == 0);
}

/* etherCount(port): the counters, named as in EtherCounters */
static napi_value count_ether(napi_env env, napi_callback_info info) {
  napi_value argument;
  void *core;
  if (!js_port_arguments(env, info, 1, &argument, &core)) return NULL;
  struct ether_counters counters;
  ether_count(core, &counters);
  napi_value counts = NULL;
  napi_create_object(env, &counts);
  js_set(env, counts, "receivedFrames", js_number(env, (double)counters.received_frames));
  js_set(env, counts, "receivedBytes", js_number(env, (double)counters.received_bytes));
  js_set(env, counts, "sentFrames", js_number(env, (double)counters.sent_frames));
  js_set(env, counts, "sentBytes", js_number(env, (double)counters.sent_bytes));
  js_set(env, counts, "droppedFrames", js_number(env, (double)counters.dropped_frames));
  js_set(env, counts, "sendErrors", js_number(env, (double)counters.send_errors));
  return counts;
}

bool ether_define(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      JS_FUNCTION("etherOpen", open_ether),   JS_FUNCTION("etherTake", js_port_take), JS_FUNCTION("etherSend", send_ether),
      JS_FUNCTION("etherCount", count_ether), JS_FUNCTION("etherClose", js_port_close),
  };
  return js_define(env, exports, functions, sizeof functions / sizeof functions[0]);
}
