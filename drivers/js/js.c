#define _GNU_SOURCE
#include "js.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool fail(napi_env env, const char *message) {
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) == napi_ok && !pending) napi_throw_error(env, "ERR_CARDINAL_ADDON", message);
  return false;
}

bool js_define(napi_env env, napi_value exports, const napi_property_descriptor *functions, size_t count) {
  if (napi_define_properties(env, exports, count, functions) != napi_ok) return fail(env, "functions cannot be defined");
  return true;
}

bool js_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *arguments) {
  size_t given = count;
  if (napi_get_cb_info(env, info, &given, arguments, NULL, NULL) != napi_ok || given != count) {
    return fail(env, "wrong number of arguments");
  }
  return true;
}

bool js_string(napi_env env, napi_value value, char *into, size_t size) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok) return fail(env, "a string is expected");
  if (length >= size) return fail(env, "the string is too long");
  if (napi_get_value_string_utf8(env, value, into, size, &length) != napi_ok) return fail(env, "a string is expected");
  if (strlen(into) != length) return fail(env, "the string has a null character");
  return true;
}

bool js_uint32(napi_env env, napi_value value, uint32_t *number) {
  double given = 0;
  if (napi_get_value_double(env, value, &given) != napi_ok || !(given >= 0 && given <= UINT32_MAX) || (double)(uint32_t)given != given) {
    return fail(env, "an integer from 0 to 4294967295 is expected");
  }
  *number = (uint32_t)given;
  return true;
}

bool js_boolean(napi_env env, napi_value value, bool *flag) {
  if (napi_get_value_bool(env, value, flag) != napi_ok) return fail(env, "a boolean is expected");
  return true;
}

bool js_bytes(napi_env env, napi_value value, uint8_t **bytes, size_t *length) {
  napi_typedarray_type type;
  void *data = NULL;
  bool typed = false;
  if (napi_is_typedarray(env, value, &typed) != napi_ok || !typed ||
      napi_get_typedarray_info(env, value, &type, length, &data, NULL, NULL) != napi_ok || type != napi_uint8_array) {
    return fail(env, "a Uint8Array is expected");
  }
  *bytes = data;
  return true;
}

napi_value js_number(napi_env env, double number) {
  napi_value value = NULL;
  napi_create_double(env, number, &value);
  return value;
}

napi_value js_flag(napi_env env, bool flag) {
  napi_value value = NULL;
  napi_get_boolean(env, flag, &value);
  return value;
}

napi_value js_text(napi_env env, const char *text) {
  napi_value value = NULL;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
  return value;
}

napi_value js_undefined(napi_env env) {
  napi_value value = NULL;
  napi_get_undefined(env, &value);
  return value;
}

void js_set(napi_env env, napi_value object, const char *name, napi_value value) {
  if (object != NULL && value != NULL) napi_set_named_property(env, object, name, value);
}

napi_value js_throw(napi_env env, int error, const char *message) {
  const char *name = strerrorname_np(abs(error));
  napi_throw_error(env, name == NULL ? "ERR_CARDINAL_ADDON" : name, message);
  return NULL;
}

bool js_refuse(napi_env env, int error, const char *message) {
  js_throw(env, error, message);
  return false;
}

napi_value js_throw_errno(napi_env env, int error, const char *what) {
  const char *text = strerrordesc_np(abs(error));
  char message[512];
  snprintf(message, sizeof message, "%s: %s", what, text == NULL ? "unknown error" : text);
  return js_throw(env, error, message);
}

struct js_port {
  napi_env env;
  napi_threadsafe_function ready;
  /* Keeps the value from being collected while the core is open. */
  napi_ref self;
  const struct js_driver *driver;
  /* Known to the program's thread alone: the core is not to be used any more. */
  bool closed;
  napi_async_work closing;
  napi_deferred closing_done;
  /* Held while the core is being closed, so that the environment does not end under that. */
  pthread_mutex_t lock;
  void *core;
  /* The external value and the thread-safe function each hold the port until their finalizer has run. */
  unsigned holders;
};

static void let_go(struct js_port *port) {
  if (--port->holders > 0) return;
  pthread_mutex_destroy(&port->lock);
  free(port);
}

static void stop_core(struct js_port *port) {
  pthread_mutex_lock(&port->lock);
  if (port->core != NULL) port->driver->close(port->core);
  port->core = NULL;
  pthread_mutex_unlock(&port->lock);
}

static void on_environment_end(void *data) {
  struct js_port *port = data;
  port->closed = true;
  stop_core(port);
}

static void on_value_collected(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  let_go(data);
}

static void on_ready_finalized(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  let_go(data);
}

static void call_ready(napi_env env, napi_value ready, void *context, void *data) {
  (void)data;
  struct js_port *port = context;
  if (env == NULL || ready == NULL || port->closed) return;
  if (napi_call_function(env, js_undefined(env), ready, 0, NULL, NULL) != napi_pending_exception) return;
  /* What a listener throws is the program's fault and must end it, not vanish in here. */
  napi_value exception = NULL;
  if (napi_get_and_clear_last_exception(env, &exception) == napi_ok) napi_fatal_exception(env, exception);
}

bool js_port_make(napi_env env, napi_value ready, const struct js_driver *driver, struct js_port **out) {
  struct js_port *port = calloc(1, sizeof *port);
  if (port == NULL) return fail(env, "out of memory");
  port->env = env;
  port->driver = driver;
  port->holders = 1;
  pthread_mutex_init(&port->lock, NULL);
  if (napi_create_threadsafe_function(env, ready, NULL, js_text(env, "cardinal"), 0, 1, port, on_ready_finalized, port, call_ready,
                                      &port->ready) != napi_ok) {
    let_go(port);
    return fail(env, "a function is expected");
  }
  *out = port;
  return true;
}

void js_port_wake(void *data) {
  struct js_port *port = data;
  napi_call_threadsafe_function(port->ready, NULL, napi_tsfn_nonblocking);
}

static void abandon(struct js_port *port) {
  napi_release_threadsafe_function(port->ready, napi_tsfn_abort);
}

napi_value js_port_throw(struct js_port *port, int error, const char *message) {
  napi_env env = port->env;
  abandon(port);
  return js_throw(env, error, message);
}

napi_value js_port_throw_errno(struct js_port *port, int error, const char *what) {
  napi_env env = port->env;
  abandon(port);
  return js_throw_errno(env, error, what);
}

napi_value js_port_attach(struct js_port *port, void *core) {
  napi_env env = port->env;
  napi_value value = NULL;
  port->core = core;
  port->holders++;
  if (napi_create_external(env, port, on_value_collected, NULL, &value) != napi_ok) {
    port->holders--;
    stop_core(port);
    abandon(port);
    fail(env, "out of memory");
    return NULL;
  }
  napi_create_reference(env, value, 1, &port->self);
  napi_add_env_cleanup_hook(env, on_environment_end, port);
  return value;
}

static bool port_of(napi_env env, napi_value value, struct js_port **port) {
  void *data = NULL;
  if (napi_get_value_external(env, value, &data) != napi_ok) return fail(env, "a port is expected");
  *port = data;
  return true;
}

static bool open_port(napi_env env, napi_callback_info info, size_t count, napi_value *arguments, struct js_port **port) {
  if (!js_arguments(env, info, count, arguments) || !port_of(env, arguments[0], port)) return false;
  return !(*port)->closed || fail(env, "the port is closed");
}

bool js_port_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *arguments, void **core) {
  struct js_port *port;
  if (!open_port(env, info, count, arguments, &port)) return false;
  *core = port->core;
  return true;
}

napi_value js_port_take(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  struct js_port *port;
  uint8_t *into;
  size_t room;
  if (!open_port(env, info, 2, arguments, &port) || !js_bytes(env, arguments[1], &into, &room)) return NULL;
  return js_number(env, (double)port->driver->take(port->core, into, room));
}

static void run_closing(napi_env env, void *data) {
  (void)env;
  stop_core(data);
}

static void on_closed(napi_env env, napi_status status, void *data) {
  (void)status;
  struct js_port *port = data;
  /* Had the environment ended meanwhile, its hook has closed the core. */
  stop_core(port);
  napi_remove_env_cleanup_hook(env, on_environment_end, port);
  napi_delete_async_work(env, port->closing);
  napi_resolve_deferred(env, port->closing_done, js_undefined(env));
  napi_threadsafe_function ready = port->ready;
  napi_delete_reference(env, port->self);
  napi_release_threadsafe_function(ready, napi_tsfn_abort);
}

/* Has the pool close the core; when it cannot, the program's thread does. */
static void start_closing(struct js_port *port) {
  napi_env env = port->env;
  port->closed = true;
  napi_create_async_work(env, NULL, js_text(env, "cardinal"), run_closing, on_closed, port, &port->closing);
  if (port->closing == NULL || napi_queue_async_work(env, port->closing) != napi_ok) on_closed(env, napi_ok, port);
}

napi_value js_port_close(napi_env env, napi_callback_info info) {
  napi_value argument, promise = NULL;
  struct js_port *port;
  napi_deferred deferred;
  if (!js_arguments(env, info, 1, &argument) || !port_of(env, argument, &port)) return NULL;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) return NULL;
  if (port->closed) {
    napi_resolve_deferred(env, deferred, js_undefined(env));
  } else {
    port->closing_done = deferred;
    start_closing(port);
  }
  return promise;
}
