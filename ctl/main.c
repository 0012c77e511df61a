/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/client.h"
#include "ctl/commands.h"

#include <signal.h>

int main(int argc, char **argv)
{
	const struct command *command = NULL;
	struct options options;
	int status;

	/* A reader that closed the pipe is an error to report, not a reason to die without an exit status. */
	signal(SIGPIPE, SIG_IGN);
	switch (options_parse(&options, commands_all(), argc, argv, &command)) {
	case CONFIG_RUN:
		status = command->run(&options);
		break;
	case CONFIG_EXIT_OK:
		status = EXIT_SUCCESS;
		break;
	default:
		status = EXIT_USAGE;
		break;
	}
	options_free(&options);
	return status ? status : client_finish();
}
