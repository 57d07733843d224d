/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the processes of a family share: one area of frames that the first process owns, mapped at
 * the same address in all of them. It is found, used and changed only with its lock held, from the
 * beginning of a call to its end. Everything in it is an index or a number, never an address in one
 * process's own memory.
 *
 * The processes of a family trust each other as far as this: one that writes nonsense here spoils
 * its own family, and nobody else.
 */
#ifndef LINUX_FAMILY_H
#define LINUX_FAMILY_H

#include "linux.h"

enum {
	PROCESSES_MAX = 64,
	LEAVING_MAX = 2 * PROCESSES_MAX,
	FILES_MAX = 256, /* open at a time in the whole family */
	FDS_MAX = 256,   /* of one process */
	PIPES_MAX = 64,
	EPOLLS_MAX = 16,       /* sets */
	EPOLL_ITEMS_MAX = 512, /* descriptors in all of them */
	EVENTS_MAX = 32,       /* eventfd counters */
	TIMERS_MAX = 16,       /* timerfd timers */
	AREAS_MAX = 16,        /* more memory of the family's */
	NODES_MAX = 384,       /* files, directories and links of the tree */
	NAME_BYTES = 48,       /* of a name in a directory, with its NUL */
	BLOCK_BYTES = 4096,
	TYPED_BYTES = 512,
	BLOCKS_MAX = 1024, /* of the area: pipes' buffers and files' contents */
	NONE = 0xffff,     /* no index */
};

enum process_state {
	PROCESS_FREE,
	PROCESS_LIVE,
	PROCESS_ENDED, /* its parent has not asked for the status yet */
};

struct process {
	uint32_t state; /* enum process_state */
	uint32_t pid, parent, group;
	uint32_t env;     /* Sluice's id */
	uint32_t status;  /* as wait(2) gives it */
	uint64_t pending; /* signals from others; bit n - 1: signal n */
	bool asleep;      /* atomic: wants to be given time when something changes */
};

enum file_type {
	FILE_FREE,
	FILE_NODE, /* object: node */
	FILE_CONSOLE,
	FILE_NULL,
	FILE_ZERO,
	FILE_RANDOM,
	FILE_PIPE_OUT,       /* object: pipe; for reading */
	FILE_PIPE_IN,        /* for writing */
	FILE_EPOLL,          /* object: epoll set */
	FILE_EVENT,          /* object: counter */
	FILE_TIMER,          /* object: timer */
	FILE_TYPES_MAX = 16, /* the rest is for fd_type_register */
};

/* An open file: what descriptors of several processes may refer to. */
struct file {
	uint8_t type; /* enum file_type */
	uint8_t reserved;
	uint16_t object;
	uint32_t references;
	uint32_t flags; /* O_* */
	uint32_t id;    /* no other one has had it before */
	uint64_t offset;
};

struct pipe {
	uint16_t readers, writers; /* open files; both 0: free */
	uint16_t block;
	uint16_t reserved;
	uint32_t head, tail; /* bytes written and read */
};

enum node_type {
	NODE_FREE,
	NODE_FILE,
	NODE_FOLDER,
	NODE_LINK,   /* content: the path */
	NODE_DEVICE, /* first: enum file_type */
	NODE_SOCKET, /* the name of a local socket */
};

struct node {
	uint8_t type;      /* enum node_type */
	uint8_t read_only; /* content of the payload */
	uint16_t parent;   /* the root's is itself; NONE: its name is gone, but it is open */
	uint16_t opens;
	uint16_t first; /* block; NONE: no content yet */
	uint16_t mode;
	uint16_t reserved;
	uint32_t reserved2;
	uint64_t size, address; /* read-only content lies there in every process */
	uint64_t changed;       /* nanoseconds since 1970 */
	char name[NAME_BYTES];
};

/* A file in an epoll set, under the number that its descriptor had when it was added. */
struct epoll_item {
	uint16_t set;  /* index + 1; 0: free */
	uint16_t file; /* index */
	uint32_t fd;
	uint32_t wanted; /* EPOLL* bits */
	uint32_t ready;  /* bits that were reported last */
	uint32_t edges;  /* news that was reported */
	uint64_t data;
};

struct event_counter {
	bool used, semaphore;
	uint32_t edges; /* reads and writes */
	uint64_t value;
};

struct event_timer {
	bool used, wall;
	uint32_t told;           /* expirations that were read, or of earlier settings */
	uint64_t next, interval; /* nanoseconds of its clock; 0: off, once */
};

struct family_area {
	uint64_t address;
	uint32_t pages, rights;
};

/* What was typed and not read yet: whoever reads first has it. */
struct keyboard {
	uint32_t bytes, complete; /* of these, in whole lines */
	uint32_t ended;           /* ^D stands behind them */
	char text[TYPED_BYTES];
};

struct family {
	uint32_t lock;             /* environment that holds it; 0: nobody */
	volatile uint32_t changes; /* of what calls of several processes may wait for */
	uint32_t live;             /* processes */
	uint32_t next_pid;
	uint32_t blocks, blocks_free; /* there are, and of these free */
	struct process processes[PROCESSES_MAX];
	uint32_t leaving[LEAVING_MAX]; /* environments of ended processes that may still run */
	struct file files[FILES_MAX];
	uint32_t files_opened; /* ever */
	struct pipe pipes[PIPES_MAX];
	struct node nodes[NODES_MAX];
	struct epoll_item items[EPOLL_ITEMS_MAX];
	bool epolls[EPOLLS_MAX]; /* in use */
	uint16_t item_next;      /* where the next look begins, so that none is forgotten */
	struct event_counter events[EVENTS_MAX];
	struct event_timer timers[TIMERS_MAX];
	struct family_area areas[AREAS_MAX];
	struct keyboard keyboard;
	uint16_t next_block[BLOCKS_MAX]; /* of the same file; the free ones' is themselves */
};

extern struct family *family;
/* This process, in family->processes. */
extern struct process *self;

/* Makes the area, with this process in it. */
void family_init(void);
/* In a forked child: which process it is. */
void family_join(uint32_t index);
void family_lock(void);
/* Likewise, where this process may hold it already. */
void family_lock_again(void);
void family_unlock(void);
/* Something changed that calls of other processes may wait for: when the lock is let go, those that
 * sleep are given time. Lock held. */
void family_changed(void);
/* Sleeps until `deadline` (TSC; 0: none) or an event, unless something has changed since `seen`. →
 * as exo_wait. */
int64_t family_sleep(uint64_t deadline, uint32_t seen);
/* Whether anybody else is in it. */
bool family_shared(void);
/* Where it lies: pages that fork must share, not copy. */
bool family_has(uint64_t address);
int family_share(struct exo_child *child);
/* Makes more pages of the first process the family's, with EXO_RIGHT_READ and perhaps WRITE. Before
 * there are others. 0, -ENOSPC. */
int family_add(const void *address, uint32_t pages, unsigned rights);

/* A zeroed block of the area. NONE: there is none. */
uint16_t block_take(void);
void block_give(uint16_t block);
void *block_bytes(uint16_t block);

/* ---- fd.c ---- */

/*
 * What a type of file can do. An entry may be NULL: -EINVAL. `address` is the program's, and
 * prepared. LINUX_WAIT: it would have to wait; where O_NONBLOCK is set that becomes -EAGAIN.
 */
struct file_type_operations {
	int64_t (*read)(struct file *file, uint64_t address, uint64_t size, uint64_t offset);
	int64_t (*write)(struct file *file, uint64_t address, uint64_t size, uint64_t offset);
	/* The POLL* bits that hold now. NULL: it can always be read and written. */
	unsigned (*poll)(struct file *file);
	/* A number that changes with each piece of news (what edge-triggered waiting asks for);
	   NULL: poll says it all. */
	uint32_t (*edges)(struct file *file);
	/* Whether close has to wait before it takes the last descriptor away (SO_LINGER), and still
	   has to. NULL: never. */
	bool (*linger)(struct file *file);
	/* The last descriptor has gone. */
	void (*close)(struct file *file);
	/* → 0 and node or mode; NULL: a character device. */
	int64_t (*ioctl)(struct file *file, uint64_t request, uint64_t argument);
	uint32_t mode; /* S_IF* and permissions where it is no node */
	bool seeks;
};

/* Adds a type whose objects this process keeps itself (sockets of a stack that is linked in). → its
 * number, or -ENFILE. */
int fd_type_register(const struct file_type_operations *operations);

void fd_init(void);
struct file *fd_file(uint64_t fd);
/* The file that the call being made is about. NULL also where it has waited, and the descriptor
 * means another file by now. */
struct file *fd_of_call(uint64_t fd);
/* Whether one more descriptor can be opened: 0, -EMFILE, -ENFILE. */
int64_t fd_room(void);
/* Opens a file; the descriptor is at least `least`. → descriptor, or -EMFILE, -ENFILE. */
int64_t fd_open(uint8_t type, uint16_t object, uint32_t flags, uint64_t least);
int64_t fd_close(uint64_t fd);
/* The file of a descriptor with one reference more, which may go to another process (SCM_RIGHTS);
 * NONE: there is no such descriptor. fd_release gives it back; fd_adopt makes a descriptor of this
 * process of it, or gives -EMFILE, and then it is still the caller's. */
uint16_t fd_hold(uint64_t fd);
void fd_release(uint16_t file);
int64_t fd_adopt(uint16_t file, bool close_on_exec);
/* st_mode of a file that is no node. */
uint32_t fd_mode(const struct file *file);
/* In a new process: one more reference to each. In one that ends: none. At execve: what is marked.
 */
void fd_inherit(void);
void fd_disinherit(void);
void fd_close_all(void);
void fd_close_on_exec(void);
/* Reads at an offset into the program's memory. */
int64_t fd_read_at(struct file *file, uint64_t address, uint64_t size, uint64_t offset);
linux_call linux_read, linux_write, linux_readv, linux_writev, linux_pread64, linux_pwrite64,
        linux_close, linux_lseek, linux_fcntl, linux_dup, linux_dup2, linux_dup3, linux_poll,
        linux_ppoll, linux_select, linux_pselect6, linux_ioctl, linux_pipe, linux_pipe2,
        linux_sendfile, linux_fsync, linux_close_range;
/* The POLL* bits of `wanted` that hold now for a file, and errors. */
unsigned fd_poll(struct file *file, unsigned wanted);
uint32_t fd_edges(struct file *file);

/* ---- device.c ---- */
extern const struct file_type_operations null_operations, zero_operations, random_operations;

/* ---- epoll.c, event.c ---- */
extern const struct file_type_operations epoll_operations, event_operations, timer_operations;
/* A file's last descriptor has gone: nobody waits for it any more. */
void epoll_forget(uint16_t file);
linux_call linux_epoll_create, linux_epoll_create1, linux_epoll_ctl, linux_epoll_wait,
        linux_epoll_pwait, linux_epoll_pwait2, linux_eventfd, linux_eventfd2, linux_timerfd_create,
        linux_timerfd_settime, linux_timerfd_gettime;

/* ---- tree.c ---- */

void tree_init(void);
struct node *tree_node(uint16_t index);
/* A name in a folder; NONE: there is none. `size` bytes long, without NUL. */
uint16_t tree_find(uint16_t folder, const char *name, size_t size);
/* A new node. → its index, or -ENOSPC, -ENAMETOOLONG. */
int tree_make(uint16_t folder, const char *name, size_t size, enum node_type type, unsigned mode);
/* Takes a node's name away; its content goes with the last open file. */
void tree_unlink(uint16_t index);
void tree_opened(uint16_t index);
void tree_closed(uint16_t index);
/* Content. Writing and cutting of read-only nodes: -EROFS. */
int64_t tree_read(const struct node *node, void *to, uint64_t size, uint64_t offset);
int64_t tree_write(struct node *node, const void *from, uint64_t size, uint64_t offset);
int64_t tree_truncate(struct node *node, uint64_t size);
/* The i-th name in a folder; NONE: there are no more. */
uint16_t tree_child(uint16_t folder, unsigned i);

/* ---- path.c ---- */

enum {
	PATH_BYTES = 1024,
};
/* Copies a path of the program's in. 0, -EFAULT, -ENAMETOOLONG. */
int path_copy(uint64_t address, char path[PATH_BYTES]);
/* The node of a path; follows links in the end where `follow`. Negative: errno. */
int path_find(uint16_t from, const char *path, bool follow);
/* What /proc/self/exe means: set by execve. */
/* A path on its way: the folder where it stands, and the last name, which may not exist. */
struct walk {
	uint16_t folder;
	uint16_t node; /* NONE: there is none of that name */
	char name[NAME_BYTES];
	size_t size; /* 0: the path ended in a folder: node is it */
	unsigned links;
};

/* Copies a path of the program's in and walks it. 0, or a negative errno. */
int path_walk(struct walk *walk, uint64_t fd, uint64_t address, bool follow);
/* The same for a path that has been copied in already, from this process's folder. */
int path_walk_text(struct walk *walk, const char *path, bool follow);
/* st_mode of a node. */
uint32_t path_mode(const struct node *node);
/* The node that a call names by descriptor and path. Negative: errno. */
int path_node(uint64_t fd, uint64_t address, bool follow);
/* For a call that makes a name: where it goes. -EEXIST: it is there. */
int path_place(struct walk *walk, uint64_t fd, uint64_t address);
extern uint16_t path_umask;
extern uint16_t path_program;
extern uint16_t path_cwd;
linux_call linux_open, linux_openat, linux_creat, linux_stat, linux_lstat, linux_fstat,
        linux_newfstatat, linux_access, linux_faccessat, linux_readlink, linux_readlinkat,
        linux_getcwd, linux_chdir, linux_fchdir, linux_mkdir, linux_mkdirat, linux_rmdir,
        linux_unlink, linux_unlinkat, linux_rename, linux_renameat, linux_getdents64,
        linux_ftruncate, linux_truncate, linux_symlink, linux_symlinkat, linux_umask,
        linux_utimensat, linux_chmod, linux_fchmodat, linux_statfs;

/* ---- pipe.c, console.c ---- */
extern const struct file_type_operations pipe_out_operations, pipe_in_operations,
        console_operations;
int64_t pipe_open(uint64_t address, uint32_t flags);
/* Shows what stands in the unfinished line. */
void console_flush(void);

/* ---- task.c ---- */

struct task {
	uint32_t tid;
	bool waiting;      /* in a call that gave LINUX_WAIT */
	bool retry;        /* it is being made again */
	uint64_t progress; /* bytes that the call being made has moved before it had to wait; */
	uint64_t done;     /* messages (recvmmsg), these bytes being of the next one */
	uint32_t file;     /* id of the file that it is about (fd_of_call) */
	uint64_t deadline; /* of that call, nanoseconds since boot; UINT64_MAX: none; set once */
	uint64_t futex;    /* waits for a wake there; 0: for anything */
	uint32_t futex_bits;
	uint64_t clear_tid;
	uint64_t blocked, pending; /* signals */
	uint64_t restore;          /* the mask that sigsuspend and its like will put back … */
	bool restores;             /* … after the handler */
};

extern struct task *task_self;

void task_init(void);
/* In a forked child: only the running task is left. */
void task_forked(void);
/* At execve and exit: ends all others. */
void task_alone(void);
/* The call of the running task must wait: runs others, or sleeps, until one can go on. */
void task_wait(struct exo_pe *pe);
/* Asks to be looked at again after `ns` at the latest, though nothing is heard. */
void task_look_again(uint64_t ns);
/* Sets the deadline of the call being made, `ns` from now, unless it has one. Whether it has
 * passed. */
bool task_deadline(uint64_t ns);
/* Every task, for signals. */
struct task *task_at(unsigned i);
/* Events come as upcalls from now on: another task's turn, signals of other processes. */
void task_hear(void);
linux_call linux_clone, linux_futex, linux_exit, linux_gettid, linux_set_tid_address,
        linux_sched_yield;

/* ---- signal.c ---- */

enum {
	SIGNALS = 64,
};
/* Raises one in this process (task NULL) or task. */
void signal_raise(struct task *task, int signal);
/* Whether the running task must leave its call for a signal. */
bool signal_waits(const struct task *task);
/* What becomes of the call that it leaves: -EINTR, or LINUX_NO_RESULT where it will be made again
 * after the handler. */
int64_t signal_interrupts(linux_regs *regs);
/* The mask of ppoll and its like holds while the call waits (address 0: there is none). 0, -EINVAL,
 * -EFAULT. Then what the call gives, once it need not wait any more. */
int64_t signal_mask(uint64_t address, uint64_t size);
int64_t signal_masked(int64_t result);
/* Before going back to the program: makes it run a handler, or ends the process. */
void signal_deliver(struct exo_pe *pe);
/* A fault of the program: whether a handler takes it. */
bool signal_fault(struct exo_pe *pe, int signal, int code, uint64_t address);
/* Any other exception of the program's, as an upcall. */
bool signal_exception(struct exo_pe *pe, void *arg);
void signal_exec(void);
linux_call linux_rt_sigaction, linux_rt_sigprocmask, linux_rt_sigreturn, linux_rt_sigsuspend,
        linux_rt_sigpending, linux_rt_sigtimedwait, linux_sigaltstack, linux_pause, linux_kill,
        linux_tkill, linux_tgkill;

/* ---- process.c ---- */

/* A copy of this process, that goes on with `stack` (0: the same). → pid, or errno. */
int64_t process_fork(linux_regs *regs, uint64_t stack);
/* Ends this process with a status as wait(2) gives it. */
void process_end(uint32_t status) __attribute__((noreturn));
/* Events that the kernel told. */
void process_events(uint32_t events);
linux_call linux_fork, linux_wait4, linux_exit_group, linux_getpid, linux_getppid, linux_getpgid,
        linux_setpgid, linux_getpgrp, linux_setsid;

#endif
