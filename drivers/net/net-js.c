#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../addon.h"
#include "../js/js.h"
#include "net.h"

struct collected {
  napi_env env;
  napi_value list;
  uint32_t count;
};

static void collect(void *context, const char *interface, const char *address) {
  struct collected *collected = context;
  napi_value item = NULL;
  napi_create_object(collected->env, &item);
  js_set(collected->env, item, "interface", js_text(collected->env, interface));
  js_set(collected->env, item, "address", js_text(collected->env, address));
  napi_set_element(collected->env, collected->list, collected->count++, item);
}

/* netList(interface): { interface, address }[]; of all interfaces when the name is empty */
static napi_value list_addresses(napi_env env, napi_callback_info info) {
  napi_value argument;
  char interface[256], error[NET_ERROR_BYTES];
  struct collected collected = {.env = env};
  if (!js_arguments(env, info, 1, &argument) || !js_string(env, argument, interface, sizeof interface)) return NULL;
  napi_create_array(env, &collected.list);
  int result = net_list(interface, collect, &collected, error);
  return result < 0 ? js_throw(env, result, error) : collected.list;
}

static bool read_address(napi_env env, napi_value host, uint32_t prefix, struct net_address *address) {
  char text[NET_ADDRESS_BYTES], error[NET_ERROR_BYTES];
  if (!js_string(env, host, text, sizeof text)) return false;
  if (net_parse(address, text, prefix) == 0) return true;
  snprintf(error, sizeof error, "net: \"%s\" with prefix %u is no address", text, prefix);
  return js_refuse(env, EINVAL, error);
}

typedef int change_function(const char *interface, const struct net_address *address, char error[NET_ERROR_BYTES]);

static napi_value change_address(napi_env env, napi_callback_info info, change_function *change) {
  napi_value arguments[3];
  char interface[256], error[NET_ERROR_BYTES];
  struct net_address address;
  uint32_t prefix;
  if (!js_arguments(env, info, 3, arguments) || !js_string(env, arguments[0], interface, sizeof interface) ||
      !js_uint32(env, arguments[2], &prefix) || !read_address(env, arguments[1], prefix, &address)) {
    return NULL;
  }
  int result = change(interface, &address, error);
  return result < 0 ? js_throw(env, result, error) : js_undefined(env);
}

/* netAdd(interface, host, prefix) */
static napi_value add_address(napi_env env, napi_callback_info info) {
  return change_address(env, info, net_add);
}

/* netRemove(interface, host, prefix) */
static napi_value remove_address(napi_env env, napi_callback_info info) {
  return change_address(env, info, net_remove);
}

static void on_announcer_collected(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  net_announcer_free(data);
  free(data);
}

/* netAnnouncer(): an announcer, which lives as long as its value */
static napi_value make_announcer(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value value = NULL;
  struct net_announcer *announcer = calloc(1, sizeof *announcer);
  if (announcer == NULL) return js_throw(env, ENOMEM, "net: out of memory");
  net_announcer_init(announcer);
  if (napi_create_external(env, announcer, on_announcer_collected, NULL, &value) == napi_ok) return value;
  free(announcer);
  return js_throw(env, ENOMEM, "net: out of memory");
}

/* netAnnounce(announcer, interface, host, prefix) */
static napi_value announce_address(napi_env env, napi_callback_info info) {
  napi_value arguments[4];
  char interface[256], error[NET_ERROR_BYTES];
  struct net_address address;
  uint32_t prefix;
  void *announcer = NULL;
  if (!js_arguments(env, info, 4, arguments) || !js_string(env, arguments[1], interface, sizeof interface) ||
      !js_uint32(env, arguments[3], &prefix) || !read_address(env, arguments[2], prefix, &address)) {
    return NULL;
  }
  if (napi_get_value_external(env, arguments[0], &announcer) != napi_ok) return js_throw(env, EINVAL, "net: an announcer is expected");
  int result = net_announce(announcer, interface, &address, error);
  return result < 0 ? js_throw(env, result, error) : js_undefined(env);
}

bool net_define(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      JS_FUNCTION("netList", list_addresses),
      JS_FUNCTION("netAdd", add_address),
      JS_FUNCTION("netRemove", remove_address),
      JS_FUNCTION("netAnnouncer", make_announcer),
      JS_FUNCTION("netAnnounce", announce_address),
  };
  return js_define(env, exports, functions, sizeof functions / sizeof functions[0]);
}
