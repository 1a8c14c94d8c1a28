#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../addon.h"
#include "../js/js.h"
#include "watchdog.h"

#define PATH_BYTES 512

struct handle {
  struct watchdog watchdog;
  bool open;
  char path[PATH_BYTES];
};

/* Nobody can feed it any more, so it goes on without us: as if the program had ended. */
static void on_collected(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  struct handle *handle = data;
  if (handle->open) watchdog_close(&handle->watchdog, false);
  free(handle);
}

static napi_value throw_for(napi_env env, const struct handle *handle, int result, const char *what) {
  char message[PATH_BYTES + 64];
  snprintf(message, sizeof message, "watchdog: \"%s\" cannot be %s", handle->path, what);
  return js_throw_errno(env, result, message);
}

/* watchdogOpen(path, timeoutS): { port, timeoutS } */
static napi_value open_watchdog(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  char error[ERROR_BYTES];
  uint32_t timeout_s;
  struct handle *handle = calloc(1, sizeof *handle);
  if (handle == NULL) return js_throw(env, ENOMEM, "watchdog: out of memory");
  if (!js_arguments(env, info, 2, arguments) || !js_string(env, arguments[0], handle->path, sizeof handle->path) ||
      !js_uint32(env, arguments[1], &timeout_s)) {
    free(handle);
    return NULL;
  }
  int result = watchdog_open(&handle->watchdog, handle->path, &timeout_s, error);
  if (result < 0) {
    free(handle);
    return js_throw(env, result, error);
  }
  handle->open = true;
  napi_value opened = NULL, port = NULL;
  if (napi_create_external(env, handle, on_collected, NULL, &port) != napi_ok) {
    on_collected(env, handle, NULL);
    return js_throw(env, ENOMEM, "watchdog: out of memory");
  }
  napi_create_object(env, &opened);
  js_set(env, opened, "port", port);
  js_set(env, opened, "timeoutS", js_number(env, timeout_s));
  return opened;
}

static bool handle_of(napi_env env, napi_value value, struct handle **handle) {
  void *data = NULL;
  if (napi_get_value_external(env, value, &data) != napi_ok) return js_refuse(env, EINVAL, "watchdog: a port is expected");
  *handle = data;
  return true;
}

/* watchdogFeed(port) */
static napi_value feed_watchdog(napi_env env, napi_callback_info info) {
  napi_value argument;
  struct handle *handle = NULL;
  if (!js_arguments(env, info, 1, &argument) || !handle_of(env, argument, &handle)) return NULL;
  if (!handle->open) return throw_for(env, handle, EBADF, "fed, it is closed");
  int result = watchdog_feed(&handle->watchdog);
  return result < 0 ? throw_for(env, handle, result, "fed") : js_undefined(env);
}

/* watchdogClose(port, disarm); fine when it is closed already */
static napi_value close_watchdog(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  struct handle *handle = NULL;
  bool disarm;
  if (!js_arguments(env, info, 2, arguments) || !handle_of(env, arguments[0], &handle) || !js_boolean(env, arguments[1], &disarm)) {
    return NULL;
  }
  if (!handle->open) return js_undefined(env);
  handle->open = false;
  int result = watchdog_close(&handle->watchdog, disarm);
  return result < 0 ? throw_for(env, handle, result, "disarmed") : js_undefined(env);
}

bool watchdog_define(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      JS_FUNCTION("watchdogOpen", open_watchdog),
      JS_FUNCTION("watchdogFeed", feed_watchdog),
      JS_FUNCTION("watchdogClose", close_watchdog),
  };
  return js_define(env, exports, functions, sizeof functions / sizeof functions[0]);
}
