/* SPDX-License-Identifier: BSD-2-Clause */
/* Upcalls: what enters a handler, what pends while masked, what restarts, what ends. */
#include "kit.h"

#include <string.h>

#include "../slots.h"
#include "../upcall.h"

static uint32_t a;
static struct pe *pe;
static struct exo_regs *regs;

static int setup(void **state)
{
	kit_start(256, 1);
	a = kit_child("a", 0, 0, 1, true, NULL);
	pe = kit_pe(a);
	regs = &pe->machine.regs;
	*regs = (struct exo_regs){.rip = KIT_CODE + 8,
	                          .rsp = 0x7000,
	                          .rflags = 0x602, /* direction flag set */
	                          .fs_base = 0x1234,
	                          .cs = 0x33,
	                          .ss = 0x2b};
	return 0;
}

static bool page_fault(uint64_t address)
{
	struct machine_trap trap = {
	        .kind = MACHINE_TRAP_PAGE, .vector = 14, .error = 6, .address = address};

	return upcall_fault(pe, &trap);
}

static void page_fault_enters_the_handler(void **state)
{
	struct exo_regs before = *regs;

	assert_true(page_fault(0x123000));
	assert_int_equal(regs->rip, KIT_ENTRY + 16 * EXO_UPCALL_ADDRESSING);
	assert_int_equal(regs->rsp, KIT_STACK - 8);
	assert_int_equal(regs->rdi, KIT_DATA);
	assert_int_equal(regs->rsi, EXO_UPCALL_ADDRESSING);
	assert_int_equal(regs->fs_base, 0x7000);
	assert_int_equal(regs->rflags, 0x202);
	assert_int_equal(pe->machine.page->masked, 1);
	assert_int_equal(pe->machine.page->upcall.address, 0x123000);
	assert_int_equal(pe->machine.page->upcall.error, 6);
	assert_memory_equal(&pe->machine.page->saved, &before, sizeof(before));
}

static void exceptions_name_their_vector(void **state)
{
	struct machine_trap trap = {.kind = MACHINE_TRAP_EXCEPTION, .vector = 0};

	assert_true(upcall_fault(pe, &trap));
	assert_int_equal(regs->rip, KIT_ENTRY);
	assert_int_equal(pe->machine.page->upcall.kind, EXO_UPCALL_EXCEPTION);
	assert_int_equal(pe->machine.page->upcall.vector, 0);
}

static void a_fault_in_a_handler_is_the_end(void **state)
{
	assert_true(page_fault(1));
	assert_false(page_fault(2));
}

static void a_fault_without_an_entry_is_the_end(void **state)
{
	pe->machine.setup.entry[EXO_UPCALL_ADDRESSING] = 0;
	assert_false(page_fault(1));
}

static void a_fault_in_the_resume_range_is_the_end(void **state)
{
	regs->rip = KIT_RESUME;
	assert_false(page_fault(1));
	regs->rip = KIT_RESUME_END - 1;
	assert_false(page_fault(1));
	regs->rip = KIT_RESUME_END;
	assert_true(page_fault(1));
}

static void events_pend_while_masked(void **state)
{
	pe_post(pe, EXO_EVENT_RING);
	upcall_events(pe, 0);
	assert_int_equal(regs->rip, KIT_ENTRY + 16 * EXO_UPCALL_INTERRUPT);
	assert_int_equal(pe->machine.page->upcall.events, EXO_EVENT_RING);
	pe_post(pe, EXO_EVENT_TIMER);
	pe_post(pe, EXO_EVENT_CHILD);
	upcall_events(pe, 0);
	assert_int_equal(pe->machine.page->pending, EXO_EVENT_TIMER | EXO_EVENT_CHILD);
	assert_int_equal(pe->machine.page->upcall.events, EXO_EVENT_RING);
}

/* In the resume range the saved state is the truth: it is kept, masked or not. */
static void an_event_in_the_resume_range_keeps_saved(void **state)
{
	for (uint32_t masked = 0; masked < 2; masked++) {
		memset(&pe->machine.page->saved, 0x77, sizeof(pe->machine.page->saved));
		pe->machine.page->masked = masked;
		regs->rip = KIT_RESUME + 4;
		pe_post(pe, EXO_EVENT_RING);
		upcall_events(pe, 0);
		assert_int_equal(regs->rip, KIT_ENTRY + 16 * EXO_UPCALL_INTERRUPT);
		assert_int_equal(pe->machine.page->saved.rip, 0x7777777777777777);
	}
}

static void an_interrupt_restarts_the_range(void **state)
{
	static const struct {
		uint64_t at, then;
	} rows[] = {
	        {KIT_RESUME - 1, KIT_RESUME - 1}, {KIT_RESUME, KIT_RESUME},
	        {KIT_RESUME + 9, KIT_RESUME},     {KIT_RESUME_END - 1, KIT_RESUME},
	        {KIT_RESUME_END, KIT_RESUME_END},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		regs->rip = rows[i].at;
		upcall_restart(pe);
		assert_int_equal(regs->rip, rows[i].then);
	}
	assert_int_equal(regs->rdi, KIT_DATA);
}

static void own_calls_come_back(void **state)
{
	regs->rax = 39; /* Linux: getpid */
	kit_call(a, 39, 1, 2, 3, 0);
	assert_int_equal(regs->rip, KIT_ENTRY + 16 * EXO_UPCALL_OWN_CALL);
	assert_int_equal(pe->machine.page->saved.rax, 39);
	assert_int_equal(pe->machine.page->saved.rdx, 3);
	/* Inside the handler there is nobody else to ask. */
	assert_int_equal(kit_call(a, 39, 0, 0, 0, 0), -EXO_ENOSYS);
	pe->machine.page->masked = 0;
	pe->machine.setup.entry[EXO_UPCALL_OWN_CALL] = 0;
	assert_int_equal(kit_call(a, 39, 0, 0, 0, 0), -EXO_ENOSYS);
	assert_int_equal(kit_call(a, EXO_CALL_BASE - 1, 0, 0, 0, 0), -EXO_ENOSYS);
	assert_int_equal(kit_call(a, EXO_CALL_LAST, 0, 0, 0, 0), -EXO_ENOSYS);
	assert_int_equal(kit_call(a, EXO_CALL_END - 1, 0, 0, 0, 0), -EXO_ENOSYS);
	assert_int_equal(kit_call(a, EXO_CALL_END, 0, 0, 0, 0), -EXO_ENOSYS);
}

static void pending_delivers_over_the_saved_state(void **state)
{
	pe->machine.page->pending = EXO_EVENT_RING;
	pe->machine.page->saved.rip = 0x4242;
	assert_int_equal(kit_call(a, EXO_CALL_PENDING, 0, 0, 0, 0), -EXO_EINVAL);
	regs->rip = KIT_RESUME_END; /* behind a syscall instruction at the range's end */
	kit_call(a, EXO_CALL_PENDING, 0, 0, 0, 0);
	assert_int_equal(regs->rip, KIT_ENTRY + 16 * EXO_UPCALL_INTERRUPT);
	assert_int_equal(pe->machine.page->saved.rip, 0x4242);
	assert_int_equal(pe->machine.page->pending, 0);
	assert_int_equal(pe->machine.page->masked, 1);
	regs->rip = KIT_RESUME_END;
	kit_call(a, EXO_CALL_PENDING, 0, 0, 0, 0);
	assert_int_equal(regs->rip, KIT_RESUME);
}

static void resume_restores_and_unmasks(void **state)
{
	struct exo_regs before = *regs;

	assert_true(page_fault(1));
	pe->machine.page->saved.cs = 8; /* the kernel's */
	pe->machine.page->saved.ss = 16;
	kit_call(a, EXO_CALL_RESUME, 0, 0, 0, 0);
	assert_int_equal(pe->machine.page->masked, 0);
	assert_int_equal(regs->rip, before.rip);
	assert_int_equal(regs->cs, pe->selectors[0]);
	assert_int_equal(regs->ss, pe->selectors[1]);
	assert_int_equal(regs->fs_base, 0x1234);
	pe->machine.page->saved.fs_base = 0x0000800000000000; /* would fault in the kernel */
	assert_int_equal(kit_call(a, EXO_CALL_RESUME, 0, 0, 0, 0), -EXO_EINVAL);
	pe->machine.page->saved.fs_base = 0x00007fffffffffff;
	pe->machine.page->pending = EXO_EVENT_LINK;
	kit_call(a, EXO_CALL_RESUME, 0, 0, 0, 0);
	assert_int_equal(regs->rip, KIT_ENTRY + 16 * EXO_UPCALL_INTERRUPT);
	assert_int_equal(pe->machine.page->upcall.events, EXO_EVENT_LINK);
}

static void without_entries_events_only_show(void **state)
{
	pe->machine.setup.entry[EXO_UPCALL_INTERRUPT] = 0;
	pe_post(pe, EXO_EVENT_RING);
	upcall_events(pe, 0);
	assert_int_equal(regs->rip, KIT_CODE + 8);
	assert_int_equal(pe->machine.page->pending, EXO_EVENT_RING);
	assert_int_equal(kit_call(a, EXO_CALL_WAIT, 0, 0, 0, 0), EXO_EVENT_RING);
	assert_int_equal(pe->machine.page->pending, 0);
}

static int64_t set(const struct exo_pe_setup *setup)
{
	kit_put(a, KIT_DATA_PAGE(1), setup, sizeof(*setup));
	return kit_call(a, EXO_CALL_PE_SET, 0, KIT_DATA_PAGE(1), 0, 0);
}

static void setups_are_checked(void **state)
{
	const struct exo_pe_setup good = pe->machine.setup;
	struct exo_pe_setup bad;

	assert_int_equal(set(&good), 0);
#define REFUSED(field, value, error)                                                               \
	bad = good;                                                                                \
	bad.field = value;                                                                         \
	assert_int_equal(set(&bad), -(error))
	REFUSED(core, 1, EXO_EINVAL);
	REFUSED(core, UINT32_MAX, EXO_EINVAL);
	REFUSED(flags, 1, EXO_EINVAL);
	REFUSED(entry[0], EXO_USER_END, EXO_EINVAL);
	REFUSED(entry[5], UINT64_MAX, EXO_EINVAL);
	REFUSED(pe_addr, KIT_DATA + 8, EXO_EINVAL);
	REFUSED(pe_addr, 0, EXO_EINVAL);
	REFUSED(pe_addr, KIT_DATA + KIT_PAGES * 4096, EXO_EFAULT);
	REFUSED(pe_addr, EXO_ACCOUNT_ADDR, EXO_EFAULT);
	REFUSED(pe_addr, EXO_USER_END, EXO_EINVAL);
	REFUSED(stack_top, KIT_STACK + 8, EXO_EINVAL);
	REFUSED(stack_top, 0, EXO_EINVAL);
	REFUSED(resume_begin, KIT_RESUME_END + 1, EXO_EINVAL);
	REFUSED(resume_end, EXO_USER_END, EXO_EINVAL);
	REFUSED(libos_fs_base, 0x800000000000, EXO_EINVAL);
	REFUSED(start_ip, 0xffffffff80000000, EXO_EINVAL);
	assert_int_equal(set(&good), 0);
	assert_int_equal(ledger_frame(pe->page_frame)->pins, 1);
}

static void fs_base_stays_below_the_kernel(void **state)
{
	assert_int_equal(kit_call(a, EXO_CALL_SET_FS, EXO_USER_END - 1, 0, 0, 0), 0);
	assert_int_equal(regs->fs_base, EXO_USER_END - 1);
	assert_int_equal(kit_call(a, EXO_CALL_SET_FS, EXO_USER_END, 0, 0, 0), -EXO_EINVAL);
	assert_int_equal(kit_call(a, EXO_CALL_SET_FS, 1ull << 63, 0, 0, 0), -EXO_EINVAL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, kit_teardown)
	const struct CMUnitTest tests[] = {
	        TEST(page_fault_enters_the_handler),
	        TEST(exceptions_name_their_vector),
	        TEST(a_fault_in_a_handler_is_the_end),
	        TEST(a_fault_without_an_entry_is_the_end),
	        TEST(a_fault_in_the_resume_range_is_the_end),
	        TEST(events_pend_while_masked),
	        TEST(an_event_in_the_resume_range_keeps_saved),
	        TEST(an_interrupt_restarts_the_range),
	        TEST(own_calls_come_back),
	        TEST(pending_delivers_over_the_saved_state),
	        TEST(resume_restores_and_unmasks),
	        TEST(without_entries_events_only_show),
	        TEST(setups_are_checked),
	        TEST(fs_base_stays_below_the_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
