/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every driver's probe against controllers that are not there: one device of its first id, found
 * and mapped by ../pci_find.c and ../pci_bus.c as on the machine, whose registers are memory
 * (fake_machine.h). What a driver says to that is printed; it must come back from it, in bounded
 * time, and leave no port behind that cannot be closed; the console must name the NIC.
 *
 *     test_probes              all of it
 *     test_probes DRIVER KIND  one probe in this process, with all that it logs
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rte_bus_pci.h>
#include <rte_cycles.h>
#include <rte_devargs.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_log.h>

#include "../dpdk.h"
#include "../internal.h"
#include "bus_pci_driver.h"
#include "bus_pci_private.h"
#include "fake_machine.h"

enum {
	LIMIT = 60, /* seconds for one probe, whose delays pass at once */
	DRIVERS_MAX = 32,
	LOG_MAX = 1 << 16,
};

static const char *const kinds[FAKE_KINDS] = {"zeroes", "ones", "noise"};

/* What a probe came to; in memory that both processes see. */
static struct outcome {
	int entered, result, ports, closed, asked_firmware;
} * outcome;

static rte_pci_probe_t *real_probe;

/* Stands for ice's probe on a controller that works: it must have been told to go on without its
 * package. */
static int safe_mode_probe(struct rte_pci_driver *driver, struct rte_pci_device *device)
{
	const struct rte_devargs *words = device->device.devargs;

	return words != NULL && strstr(words->args, "safe-mode-support=1") != NULL ? 0 : -EINVAL;
}

static int watched_probe(struct rte_pci_driver *driver, struct rte_pci_device *device)
{
	outcome->entered++;
	outcome->result = real_probe(driver, device);
	return outcome->result;
}

/* As in the kernel (../absent.c): there are no files. ice asks for its DDP package here. */
int rte_firmware_read(const char *name, void **buffer, size_t *size);
int rte_firmware_read(const char *name, void **buffer, size_t *size)
{
	outcome->asked_firmware++;
	return -1;
}

/* In the place of ../pci_bus.c's own: a Linux process has no physical addresses. */
bool pci_device_iommu_support_va(const struct rte_pci_device *device)
{
	return true;
}

enum rte_iova_mode pci_device_iova_mode(const struct rte_pci_driver *driver,
                                        const struct rte_pci_device *device)
{
	return RTE_IOVA_DC;
}

/* Devices in memory don't get ready by waiting: no driver sleeps. */
static void no_delay(unsigned microseconds)
{
}

int nanosleep(const struct timespec *wanted, struct timespec *left)
{
	return 0;
}

/* ---- In a process of its own ---- */

static struct rte_pci_driver *keep_only(const char *name)
{
	struct rte_pci_driver *driver, *next, *kept = NULL;

	for (driver = RTE_TAILQ_FIRST(&rte_pci_bus.driver_list); driver != NULL; driver = next) {
		next = RTE_TAILQ_NEXT(driver, next);
		if (strcmp(driver->driver.name, name) == 0)
			kept = driver;
		else
			rte_pci_unregister(driver);
	}
	return kept;
}

static void close_ports(void)
{
	struct rte_eth_dev_info info;
	uint16_t id;

	RTE_ETH_FOREACH_DEV(id)
	{
		outcome->ports++;
		if (rte_eth_dev_info_get(id, &info) == 0 && rte_eth_dev_close(id) == 0)
			outcome->closed++;
	}
}

/* Descriptor 0 is where drivers look for an interrupt, which never comes. */
static void silence_interrupts(void)
{
	int ends[2];

	if (pipe(ends) != 0 || dup2(ends[0], 0) != 0)
		abort();
}

static struct fake_device device_of(const struct rte_pci_driver *driver, enum fake_registers kind)
{
	struct fake_device device = {.vendor = driver->id_table->vendor_id,
	                             .device = driver->id_table->device_id,
	                             .registers = kind};

	device.narrow = strcmp(driver->driver.name, "net_vmxnet3") == 0;
	/* It believes that it has two vectors at least, and would write to four billion of them:
	   GLPCI_CNF2, three for the PF, three for each VF. */
	if (strcmp(driver->driver.name, "net_i40e") == 0 && kind == FAKE_ZEROES) {
		device.offset = 0xbe494;
		device.value = 3 << 2 | 3 << 13;
	}
	return device;
}

static int probe(const char *name, enum fake_registers kind)
{
	char *words[] = {"probes", "--no-huge", "--no-shconf", "-m",
	                 "96",     "-l",        "0",           "--no-telemetry"};
	struct rte_pci_driver *driver = keep_only(name);
	struct fake_device device;

	if (driver == NULL)
		return 1;
	alarm(LIMIT);
	silence_interrupts();
	real_probe = kind == FAKE_KINDS ? safe_mode_probe : driver->probe;
	driver->probe = watched_probe;
	device = device_of(driver, kind);
	fake_machine_plug(&device);
	dpdk_pci_find("");
	rte_pci_bus.bus.conf.scan_mode = RTE_BUS_SCAN_BLOCKLIST;
	if (strcmp(name, "net_ice_dcf") == 0)
		rte_devargs_add(RTE_DEVTYPE_ALLOWED, "0000:00:03.0,cap=dcf");
	rte_delay_us_callback_register(no_delay);
	if (rte_eal_init(RTE_DIM(words), words) < 0)
		return 1;
	dpdk_say_unclaimed(rte_eth_dev_count_avail());
	close_ports();
	return 0;
}

/* ---- From outside ---- */

static char said[LOG_MAX], last_words[256];

/* The last line of what a process said that is not about EAL itself. */
static void find_last_words(void)
{
	static char text[LOG_MAX];

	memcpy(text, said, sizeof(text));
	snprintf(last_words, sizeof(last_words), "(nothing)");
	for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;)
		if (line[0] != '\0' && strncmp(line, "EAL:", 4) != 0 &&
		    strncmp(line, "TELEMETRY", 9) != 0 && strncmp(line, "net: ", 5) != 0)
			snprintf(last_words, sizeof(last_words), "%s", line);
}

static void read_log(int log)
{
	ssize_t n = pread(log, said, sizeof(said) - 1, 0);

	said[n < 0 ? 0 : n] = '\0';
	find_last_words();
}

static int run_apart(const char *name, enum fake_registers kind)
{
	int log = memfd_create("log", 0), status;
	pid_t child;

	memset(outcome, 0, sizeof(*outcome));
	fflush(NULL);
	child = fork();
	if (child == 0) {
		for (int number = 1; number < NSIG; number++)
			signal(number, SIG_DFL); /* cmocka catches some */
		dup2(log, 1);
		dup2(log, 2);
		_exit(probe(name, kind));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	read_log(log);
	close(log);
	return status;
}

static void driver_comes_back(void **state)
{
	const char *name = *state;

	for (unsigned kind = 0; kind < FAKE_KINDS; kind++) {
		int status = run_apart(name, kind);

		printf("    %s, %s: %s %d, %d of %d ports closed%s; %s\n", name, kinds[kind],
		       outcome->entered ? "entered, answers" : "NOT ENTERED", outcome->result,
		       outcome->closed, outcome->ports,
		       outcome->asked_firmware ? ", asked for firmware" : "", last_words);
		if (WIFSIGNALED(status))
			fail_msg("%s ended by signal %d", name, WTERMSIG(status));
		assert_int_equal(status, 0);
		assert_int_equal(outcome->entered, 1);
		assert_int_equal(outcome->closed, outcome->ports);
		assert_non_null(strstr(said, outcome->result == 0 ? "" : "did not start"));
	}
}

static void ice_says_what_it_lacks(void **state)
{
	assert_int_equal(run_apart("net_ice", FAKE_KINDS), 0);
	assert_int_equal(outcome->entered, 1);
	assert_int_equal(outcome->result, 0);
	assert_non_null(strstr(said, "no DDP package is in this image: the NIC runs in safe mode"));
}

static void all_families_are_linked(void **state)
{
	static const char *const names[] = {
	        "net_bnxt",  "net_e1000_em", "net_e1000_igb", "net_e1000_igb_vf", "net_ena",
	        "net_i40e",  "net_iavf",     "net_ice",       "net_ice_dcf",      "net_igc",
	        "net_ixgbe", "net_ixgbe_vf", "net_virtio",    "net_vmxnet3",
	};
	const struct rte_pci_driver *driver;
	unsigned found = 0;

	for (unsigned i = 0; i < RTE_DIM(names); i++)
		FOREACH_DRIVER_ON_PCIBUS(driver)
		{
			found += strcmp(driver->driver.name, names[i]) == 0;
		}
	assert_int_equal(found, RTE_DIM(names));
}

static int run_all(void)
{
	struct CMUnitTest tests[DRIVERS_MAX] = {cmocka_unit_test(all_families_are_linked),
	                                        cmocka_unit_test(ice_says_what_it_lacks)};
	const struct rte_pci_driver *driver;
	size_t n = 2;

	FOREACH_DRIVER_ON_PCIBUS(driver)
	{
		tests[n++] = (struct CMUnitTest){.name = driver->driver.name,
		                                 .test_func = driver_comes_back,
		                                 .initial_state = (void *)driver->driver.name};
	}
	return _cmocka_run_group_tests("probes", tests, n, NULL, NULL);
}

int main(int argc, char **argv)
{
	outcome = mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
	               -1, 0);
	for (unsigned kind = 0; argc == 3 && kind < FAKE_KINDS; kind++)
		if (strcmp(argv[2], kinds[kind]) == 0)
			return probe(argv[1], kind);
	return run_all();
}
