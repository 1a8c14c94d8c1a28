/* The bindings of the addon: each defines its driver's functions on `exports`. False after an exception. */
#ifndef CARDINAL_ADDON_H
#define CARDINAL_ADDON_H

#define NAPI_VERSION 8
#include <node_api.h>
#include <stdbool.h>

bool block_define(napi_env env, napi_value exports);
bool child_define(napi_env env, napi_value exports);
bool device_define(napi_env env, napi_value exports);
bool door_define(napi_env env, napi_value exports);
bool ether_define(napi_env env, napi_value exports);
bool net_define(napi_env env, napi_value exports);
bool pty_define(napi_env env, napi_value exports);
bool realtime_define(napi_env env, napi_value exports);
bool uart_define(napi_env env, napi_value exports);
bool watchdog_define(napi_env env, napi_value exports);

#endif
