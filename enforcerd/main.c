/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/log.h"
#include "enforcerd/app.h"
#include "enforcerd/check.h"

#include <signal.h>

static int run(const struct options *options)
{
	struct err err = {0};
	CLEANUP(app) struct app *app = app_new(options, &err);

	if (!app || app_run(app, &err) < 0) {
		log_error("app", "%s", err.text);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct options options;
	int status;

	/* a peer that closes while we write is an error of that write, and not the end of enforcement */
	signal(SIGPIPE, SIG_IGN);
	switch (options_parse(&options, argc, argv)) {
	case CONFIG_EXIT_OK:
		options_free(&options);
		return EXIT_SUCCESS;
	case CONFIG_EXIT_USAGE:
		options_free(&options);
		return EXIT_USAGE;
	case CONFIG_RUN:
		break;
	}
	if (options.clear)
		status = clear_run(&options);
	else if (options.daemon.check)
		status = check_run(&options);
	else if (options.daemon.healthcheck)
		status = daemon_options_healthcheck(&options.daemon);
	else
		status = run(&options);
	options_free(&options);
	return status;
}
