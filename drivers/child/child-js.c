#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "../addon.h"
#include "../js/js.h"
#include "child.h"
#include "kin.h"

#define PATH_BYTES 4096
#define STRINGS_MAX 4096
#define USERS_BYTES 4096

static void close_core(void *core) {
  child_close(core);
}

static size_t take_core(void *core, uint8_t *into, size_t room) {
  return child_take(core, into, room);
}

static const struct js_driver driver = {.close = close_core, .take = take_core};

/* childOpen(groups, ready): port */
static napi_value open_children(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  char groups[PATH_MAX / 2];
  struct js_port *port;
  if (!js_arguments(env, info, 2, arguments) || !js_string(env, arguments[0], groups, sizeof groups) ||
      !js_port_make(env, arguments[1], &driver, &port)) {
    return NULL;
  }
  struct children *children = NULL;
  int result = child_open(&children, groups, js_port_wake, port);
  if (result < 0) return js_port_throw_errno(port, result, "child: programs cannot be run");
  return js_port_attach(port, children);
}

/* Strings that each end with a null character, as a list for execve() in one allocation; NULL when there are too many. */
static char **list_of(const uint8_t *bytes, size_t length) {
  size_t count = 0;
  for (size_t index = 0; index < length; index++) count += bytes[index] == '\0';
  if (count > STRINGS_MAX || (length > 0 && bytes[length - 1] != '\0')) return NULL;
  char **list = malloc((count + 1) * sizeof *list + length);
  if (list == NULL) return NULL;
  char *text = (char *)(list + count + 1);
  memcpy(text, bytes, length);
  for (size_t index = 0; index < count; index++, text += strlen(text) + 1) list[index] = text;
  list[count] = NULL;
  return list;
}

static bool read_list(napi_env env, napi_value value, char ***list) {
  uint8_t *bytes;
  size_t length;
  if (!js_bytes(env, value, &bytes, &length)) return false;
  *list = list_of(bytes, length);
  return *list != NULL || js_refuse(env, E2BIG, "child: too many arguments, or a variable too many");
}

/* childStart(port, id, program, arguments, environment, group, mark, deadlineMs, graceMs, outputBytes, remains) */
static napi_value start_child(napi_env env, napi_callback_info info) {
  napi_value arguments[11];
  void *core;
  char program[PATH_BYTES];
  struct child_order order = {0};
  if (!js_port_arguments(env, info, 11, arguments, &core) || !js_uint32(env, arguments[1], &order.id) ||
      !js_string(env, arguments[2], program, sizeof program) || !js_string(env, arguments[5], order.group, sizeof order.group) ||
      !js_string(env, arguments[6], order.mark, sizeof order.mark) || !js_uint32(env, arguments[7], &order.deadline_ms) ||
      !js_uint32(env, arguments[8], &order.grace_ms) || !js_uint32(env, arguments[9], &order.output_bytes) ||
      !js_boolean(env, arguments[10], &order.remains)) {
    return NULL;
  }
  if (order.output_bytes > CHILD_OUTPUT_BYTES_MAX) return js_throw(env, EINVAL, "child: at most 61440 bytes of output are kept");
  if (read_list(env, arguments[3], &order.arguments) && read_list(env, arguments[4], &order.environment)) {
    order.program = strdup(program);
    int result = order.program == NULL ? -ENOMEM : child_start(core, &order);
    if (result == 0) return js_undefined(env);
    js_throw_errno(env, result, "child: a program cannot be run");
  }
  child_order_free(&order);
  return NULL;
}

/* childKill(port, id) */
static napi_value kill_child(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  void *core;
  uint32_t id;
  if (!js_port_arguments(env, info, 2, arguments, &core) || !js_uint32(env, arguments[1], &id)) return NULL;
  child_kill(core, id);
  return js_undefined(env);
}

/* childWatch(port, group) */
static napi_value watch_child(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  void *core;
  char group[CHILD_GROUP_BYTES];
  if (!js_port_arguments(env, info, 2, arguments, &core) || !js_string(env, arguments[1], group, sizeof group)) return NULL;
  child_watch(core, group);
  return js_undefined(env);
}

/* Looking through /proc takes its time, so a thread of the runtime's pool does it. */
struct search {
  uint32_t mount;
  char mount_point[PATH_BYTES];
  uint32_t signal;
  int result;
  char text[USERS_BYTES];
  napi_async_work work;
  napi_deferred done;
};

static void run_search(napi_env env, void *data) {
  (void)env;
  struct search *search = data;
  search->result = kin_of_mount(search->mount, search->mount_point, (int)search->signal, search->text, sizeof search->text);
}

static void on_searched(napi_env env, napi_status status, void *data) {
  struct search *search = data;
  bool found = status == napi_ok && search->result >= 0;
  /* With nothing to say, /proc could not be read: that is told as text, for people. */
  napi_resolve_deferred(env, search->done, js_text(env, found ? search->text : "? /proc cannot be read\n"));
  napi_delete_async_work(env, search->work);
  free(search);
}

/* mountUsers(mount, mountPoint, signal): a promise of lines "pid name" */
static napi_value search_users(napi_env env, napi_callback_info info) {
  napi_value arguments[3], promise = NULL;
  struct search *search = calloc(1, sizeof *search);
  if (search == NULL) return js_throw(env, ENOMEM, "child: out of memory");
  if (!js_arguments(env, info, 3, arguments) || !js_uint32(env, arguments[0], &search->mount) ||
      !js_string(env, arguments[1], search->mount_point, sizeof search->mount_point) ||
      !js_uint32(env, arguments[2], &search->signal)) {
    free(search);
    return NULL;
  }
  if (search->mount_point[0] != '/' || search->mount_point[1] == '\0' || search->signal >= NSIG) {
    free(search);
    return js_throw(env, EINVAL, "child: users are looked for below an absolute mount point that is not /");
  }
  if (napi_create_promise(env, &search->done, &promise) != napi_ok ||
      napi_create_async_work(env, NULL, js_text(env, "cardinal"), run_search, on_searched, search, &search->work) != napi_ok) {
    free(search);
    return js_throw(env, ENOMEM, "child: out of memory");
  }
  if (napi_queue_async_work(env, search->work) != napi_ok) on_searched(env, napi_generic_failure, search);
  return promise;
}

bool child_define(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      JS_FUNCTION("childOpen", open_children),   JS_FUNCTION("childStart", start_child),  JS_FUNCTION("childKill", kill_child),
      JS_FUNCTION("childWatch", watch_child),    JS_FUNCTION("childTake", js_port_take),  JS_FUNCTION("childClose", js_port_close),
      JS_FUNCTION("mountUsers", search_users),
  };
  return js_define(env, exports, functions, sizeof functions / sizeof functions[0]);
}
