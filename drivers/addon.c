/* The native addon: every driver's functions in one object, typed by `Addon` in load.ts. */
#include "addon.h"

NAPI_MODULE_INIT() {
  bool defined = block_define(env, exports) && child_define(env, exports) && device_define(env, exports) && door_define(env, exports) &&
                 ether_define(env, exports) && net_define(env, exports) && pty_define(env, exports) && realtime_define(env, exports) &&
                 uart_define(env, exports) && watchdog_define(env, exports);
  return defined ? exports : NULL;
}
