/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/log.h"
#include "syncd/check.h"
#include "syncd/syncd.h"

static int run(const struct options *options)
{
	struct err err = {0};
	CLEANUP(syncd) struct syncd *syncd = syncd_new(options, &err);

	if (!syncd || syncd_run(syncd, &err) < 0) {
		log_error("syncd", "%s", err.text);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct options options;
	int status = EXIT_SUCCESS;

	switch (options_parse(&options, argc, argv)) {
	case CONFIG_EXIT_OK:
		break;
	case CONFIG_EXIT_USAGE:
		status = EXIT_USAGE;
		break;
	case CONFIG_RUN:
		if (options.daemon.check)
			status = check_run(&options);
		else if (options.daemon.healthcheck)
			status = daemon_options_healthcheck(&options.daemon);
		else
			status = run(&options);
		break;
	}
	options_free(&options);
	return status;
}
