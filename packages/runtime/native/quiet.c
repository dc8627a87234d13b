// A switch for standard error: TensorFlow's library prints notes for developers while it is loaded, before anything can
// tell it not to. mute() sends file descriptor 2 to nowhere, unmute() puts it back.
#include <fcntl.h>
#include <node_api.h>
#include <stdio.h>
#include <unistd.h>

static int kept = -1;

static napi_value mute(napi_env env, napi_callback_info info) {
  (void)env, (void)info;
  if (kept >= 0) return NULL;
  const int nowhere = open("/dev/null", O_WRONLY);
  if (nowhere < 0) return NULL;
  fflush(stderr);
  kept = dup(2);
  if (kept >= 0) dup2(nowhere, 2);
  close(nowhere);
  return NULL;
}

static napi_value unmute(napi_env env, napi_callback_info info) {
  (void)env, (void)info;
  if (kept < 0) return NULL;
  fflush(stderr);
  dup2(kept, 2);
  close(kept);
  kept = -1;
  return NULL;
}

static napi_value initialise(napi_env env, napi_value exports) {
  napi_value f;
  napi_create_function(env, "mute", NAPI_AUTO_LENGTH, mute, NULL, &f);
  napi_set_named_property(env, exports, "mute", f);
  napi_create_function(env, "unmute", NAPI_AUTO_LENGTH, unmute, NULL, &f);
  napi_set_named_property(env, exports, "unmute", f);
  return exports;
}

NAPI_MODULE(semiseg_quiet, initialise)
