#include "../addon.h"
#include "../js/js.h"
#include "realtime.h"

/* realtimeEnter(priority) */
static napi_value enter_realtime(napi_env env, napi_callback_info info) {
  napi_value argument;
  char error[ERROR_BYTES];
  uint32_t priority;
  if (!js_arguments(env, info, 1, &argument) || !js_uint32(env, argument, &priority)) return NULL;
  int result = realtime_enter(priority, error);
  return result < 0 ? js_throw(env, result, error) : js_undefined(env);
}

/* realtimeLockMemory() */
static napi_value lock_memory(napi_env env, napi_callback_info info) {
  (void)info;
  char error[ERROR_BYTES];
  int result = realtime_lock_memory(error);
  return result < 0 ? js_throw(env, result, error) : js_undefined(env);
}

bool realtime_define(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      JS_FUNCTION("realtimeEnter", enter_realtime),
      JS_FUNCTION("realtimeLockMemory", lock_memory),
  };
  return js_define(env, exports, functions, sizeof functions / sizeof functions[0]);
}
