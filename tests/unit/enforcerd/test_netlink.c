/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/netlink.h"

#include <check.h>
#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { ORIGINAL_BYTES = 24 };

static alignas(struct nlmsghdr) char buffer[512];

/* An NLMSG_ERROR as the kernel makes it; with capped false, the refused message follows the header. */
static struct nlmsghdr *refusal(int error, bool capped)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nlmsgerr *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));

	message->nlmsg_type = NLMSG_ERROR;
	message->nlmsg_seq = 7;
	body->error = -error;
	body->msg.nlmsg_len = MNL_NLMSG_HDRLEN + ORIGINAL_BYTES;
	if (capped)
		message->nlmsg_flags |= NLM_F_CAPPED;
	else
		memset(mnl_nlmsg_put_extra_header(message, ORIGINAL_BYTES), 0xff, ORIGINAL_BYTES);
	return message;
}

static void add_words(struct nlmsghdr *message)
{
	message->nlmsg_flags |= NLM_F_ACK_TLVS;
	mnl_attr_put_strz(message, NLMSGERR_ATTR_MSG, "no such chain");
	mnl_attr_put_u32(message, NLMSGERR_ATTR_OFFS, 44);
}

START_TEST(test_acknowledgement)
{
	struct netlink_refusal said;

	ck_assert(netlink_refusal(refusal(0, true), &said));
	ck_assert_int_eq(said.code, 0);
	ck_assert_uint_eq(said.seq, 7);
	ck_assert_str_eq(said.text, "");
}
END_TEST

START_TEST(test_refusal_with_words)
{
	struct nlmsghdr *message = refusal(ENOENT, _i == 1);
	struct netlink_refusal said;

	add_words(message);
	ck_assert(netlink_refusal(message, &said));
	ck_assert_int_eq(said.code, ENOENT);
	ck_assert_str_eq(said.text, "no such chain");
	ck_assert_uint_eq(said.offset, 44);
}
END_TEST

START_TEST(test_words_not_announced_are_not_read)
{
	struct nlmsghdr *message = refusal(ENOENT, true);
	struct netlink_refusal said;

	add_words(message);
	message->nlmsg_flags &= (uint16_t)~NLM_F_ACK_TLVS;
	ck_assert(netlink_refusal(message, &said));
	ck_assert_str_eq(said.text, "");
	ck_assert_uint_eq(said.offset, 0);
}
END_TEST

/* Cut at every length: never read behind the end, and only whole words are taken. */
START_TEST(test_cut_short)
{
	uint32_t whole;

	add_words(refusal(ENOENT, false));
	whole = ((struct nlmsghdr *)(void *)buffer)->nlmsg_len;
	for (uint32_t len = MNL_NLMSG_HDRLEN; len <= whole; len++) {
		/* on the heap, so that a sanitizer sees a byte too many */
		struct nlmsghdr *copy = malloc(len);
		struct netlink_refusal said = {0};

		memcpy(copy, buffer, len);
		copy->nlmsg_len = len;
		if (netlink_refusal(copy, &said))
			ck_assert(!*said.text || !strcmp(said.text, "no such chain"));
		else
			ck_assert_uint_lt(len, MNL_NLMSG_HDRLEN + sizeof(struct nlmsgerr));
		free(copy);
	}
}
END_TEST

START_TEST(test_original_longer_than_the_answer)
{
	struct nlmsghdr *message = refusal(EINVAL, false);
	struct nlmsgerr *body = mnl_nlmsg_get_payload(message);
	struct netlink_refusal said;

	add_words(message);
	body->msg.nlmsg_len = 1 << 30;
	ck_assert(netlink_refusal(message, &said));
	ck_assert_int_eq(said.code, EINVAL);
	ck_assert_str_eq(said.text, "");
}
END_TEST

START_TEST(test_not_a_refusal)
{
	struct nlmsghdr *message = refusal(EINVAL, true);
	struct netlink_refusal said;

	message->nlmsg_type = NLMSG_DONE;
	ck_assert(!netlink_refusal(message, &said));
}
END_TEST

START_TEST(test_sequence_numbers_are_never_zero)
{
	struct err err = {0};
	struct netlink *netlink = netlink_open(NETLINK_ROUTE, &err);

	ck_assert_msg(netlink != NULL, "%s", err.text);
	ck_assert_uint_eq(netlink_take_seq(netlink, 3), 1);
	ck_assert_uint_eq(netlink_take_seq(netlink, UINT32_MAX - 4), 4);
	ck_assert_uint_eq(netlink_take_seq(netlink, 2), 1);
	ck_assert_uint_eq(netlink_take_seq(netlink, 1), 3);
	netlink_close(netlink);
	netlink_close(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("netlink");
	TCase *tests = tcase_create("netlink");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, test_acknowledgement);
	tcase_add_loop_test(tests, test_refusal_with_words, 0, 2);
	tcase_add_test(tests, test_words_not_announced_are_not_read);
	tcase_add_test(tests, test_cut_short);
	tcase_add_test(tests, test_original_longer_than_the_answer);
	tcase_add_test(tests, test_not_a_refusal);
	tcase_add_test(tests, test_sequence_numbers_are_never_zero);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
