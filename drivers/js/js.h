/*
 * What the drivers' bindings share of Node-API: arguments, errors, and ports.
 *
 * A port is a driver's open handle as JavaScript holds it: an external value, a core with a thread of its own, and
 * a function that is called on the program's thread when the core's mailbox has something. It lives until it is
 * closed, or until the environment ends.
 *
 * Functions that return bool have thrown a JavaScript exception when they return false.
 */
#ifndef CARDINAL_JS_H
#define CARDINAL_JS_H

#define NAPI_VERSION 8
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JS_FUNCTION(name, function) {(name), NULL, (function), NULL, NULL, NULL, napi_enumerable, NULL}

bool js_define(napi_env env, napi_value exports, const napi_property_descriptor *functions, size_t count);

/* Exactly `count` arguments. */
bool js_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *arguments);
bool js_string(napi_env env, napi_value value, char *into, size_t size);
bool js_uint32(napi_env env, napi_value value, uint32_t *number);
bool js_boolean(napi_env env, napi_value value, bool *flag);
/* The memory of a Uint8Array; good until JavaScript runs again. */
bool js_bytes(napi_env env, napi_value value, uint8_t **bytes, size_t *length);

napi_value js_number(napi_env env, double number);
napi_value js_flag(napi_env env, bool flag);
napi_value js_text(napi_env env, const char *text);
napi_value js_undefined(napi_env env);
void js_set(napi_env env, napi_value object, const char *name, napi_value value);

/* Throws an Error whose `code` is the name of the error number (positive or negative). Returns NULL. */
napi_value js_throw(napi_env env, int error, const char *message);
/* The same for functions that return bool. */
bool js_refuse(napi_env env, int error, const char *message);
/* Throws `<what>: <text of the error number>`. Returns NULL. */
napi_value js_throw_errno(napi_env env, int error, const char *what);

struct js_port;

struct js_driver {
  void (*close)(void *core);
  /* What js_port_take() calls; NULL where that is not among the driver's functions. */
  size_t (*take)(void *core, uint8_t *into, size_t room);
};

/* Makes a port without a core. `ready` is a JavaScript function without arguments. */
bool js_port_make(napi_env env, napi_value ready, const struct js_driver *driver, struct js_port **port);
/* For a core's mailbox: has `ready` called. The context is the port. From any thread while the port has its core. */
void js_port_wake(void *port);
/* Gives the port its core and returns the port's value, or closes the core and returns NULL with an exception. */
napi_value js_port_attach(struct js_port *port, void *core);
/* Give up a port whose core could not be opened, and throw as js_throw() and js_throw_errno() do. */
napi_value js_port_throw(struct js_port *port, int error, const char *message);
napi_value js_port_throw_errno(struct js_port *port, int error, const char *what);
/* Exactly `count` arguments, of which the first is a port; throws when it is closed. */
bool js_port_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *arguments, void **core);
/* A binding's function of a port and a Uint8Array: has the driver write what is there, returns how many bytes that were. */
napi_value js_port_take(napi_env env, napi_callback_info info);
/*
 * A binding's function that closes the port it is given and returns a promise of the end of that. `ready` is not
 * called any more. The core is closed on a thread of the runtime's pool: closing a packet socket waits for the whole
 * kernel to take note, some ten milliseconds, and a tty may wait longer.
 */
napi_value js_port_close(napi_env env, napi_callback_info info);

#endif
