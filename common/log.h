/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Log lines on stderr: "level module: message" or one JSON object a line. errno is preserved across
 * every call. The message says what happened with which object and why; err.text fits as is.
 */
#ifndef BULKHEAD_LOG_H
#define BULKHEAD_LOG_H

#include "common/cleanup.h"

#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* Sets what is printed and how; before the first call: info, text. */
void log_init(enum log_level level, enum log_format format);

/* Parse "debug|info|warn|error" and "text|json"; false when the word is none of them. */
bool log_level_parse(const char *word, enum log_level *level);
bool log_format_parse(const char *word, enum log_format *format);

void log_write(enum log_level level, const char *module, const char *fmt, ...) printf_like(3, 4);

#define log_debug(module, ...) log_write(LOG_LEVEL_DEBUG, module, __VA_ARGS__)
#define log_info(module, ...)  log_write(LOG_LEVEL_INFO, module, __VA_ARGS__)
#define log_warn(module, ...)  log_write(LOG_LEVEL_WARN, module, __VA_ARGS__)
#define log_error(module, ...) log_write(LOG_LEVEL_ERROR, module, __VA_ARGS__)

#endif
