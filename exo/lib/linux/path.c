/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls that name files by paths, and those about files' status. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <libexo/lib.h>

#include "family.h"

enum {
	ROOT = 0,
	LINKS_MAX = 16,
	TMPFS_MAGIC = 0x01021994,
};

uint16_t path_program = NONE, path_cwd = ROOT;

/* ---- Finding ---- */

int path_copy(uint64_t address, char path[PATH_BYTES])
{
	for (unsigned i = 0; i < PATH_BYTES; i++) {
		if ((i == 0 || (address + i) % EXO_PAGE_SIZE == 0) &&
		    !vm_prepare(address + i, 1, false))
			return -EFAULT;
		path[i] = ((const char *)address)[i];
		if (path[i] == '\0')
			return 0;
	}
	return -ENAMETOOLONG;
}

static int walk_path(struct walk *walk, const char *path, bool follow);

/* What a link says, instead of its name. */
static int walk_link(struct walk *walk, const struct node *link, bool follow)
{
	char path[PATH_BYTES];
	int64_t n = tree_read(link, path, sizeof(path) - 1, 0);

	if (n < 0 || ++walk->links > LINKS_MAX)
		return -ELOOP;
	path[n] = '\0';
	return walk_path(walk, path, follow);
}

/* One name more. `last`: nothing comes behind it. */
static int step(struct walk *walk, const char *name, size_t size, bool last, bool follow)
{
	const struct node *node;

	if (tree_node(walk->folder)->type != NODE_FOLDER)
		return -ENOTDIR;
	if (size >= NAME_BYTES)
		return -ENAMETOOLONG;
	walk->size = 0;
	if (size == 1 && name[0] == '.') {
		walk->node = walk->folder;
		return 0;
	}
	if (size == 2 && name[0] == '.' && name[1] == '.') {
		walk->node = walk->folder = tree_node(walk->folder)->parent;
		return walk->node == NONE ? -ENOENT : 0;
	}
	walk->node = tree_find(walk->folder, name, size);
	memcpy(walk->name, name, size);
	walk->name[size] = '\0';
	walk->size = size;
	if (walk->node == NONE)
		return last ? 0 : -ENOENT;
	node = tree_node(walk->node);
	if (node->type == NODE_LINK && (!last || follow))
		return walk_link(walk, node, true);
	if (!last)
		walk->folder = walk->node;
	return 0;
}

static int walk_path(struct walk *walk, const char *path, bool follow)
{
	int error = 0;

	if (path[0] == '\0')
		return -ENOENT;
	if (path[0] == '/')
		walk->folder = ROOT;
	walk->node = walk->folder;
	walk->size = 0;
	while (error == 0 && *path != '\0') {
		size_t size = 0, more;

		while (path[size] != '\0' && path[size] != '/')
			size++;
		for (more = size; path[more] == '/'; more++)
			;
		if (size > 0)
			error = step(walk, path, size, path[more] == '\0', follow);
		if (error == 0 && path[more] != '\0' && size > 0 && walk->node != NONE)
			walk->folder = walk->node;
		path += more;
	}
	return error;
}

/* /proc/self/exe is the one name there that programs use. */
static bool is_program(const char *path)
{
	return strcmp(path, "/proc/self/exe") == 0;
}

int path_find(uint16_t from, const char *path, bool follow)
{
	struct walk walk = {.folder = from};
	int error;

	if (is_program(path))
		return path_program == NONE ? -ENOENT : path_program;
	error = walk_path(&walk, path, follow);
	return error < 0 ? error : walk.node == NONE ? -ENOENT : walk.node;
}

/* The folder that a descriptor stands for. Negative: errno. */
static int folder_of(uint64_t fd)
{
	const struct file *file;

	if ((int32_t)fd == AT_FDCWD)
		return path_cwd;
	file = fd_file((uint32_t)fd);
	if (file == NULL)
		return -EBADF;
	return file->type == FILE_NODE && tree_node(file->object)->type == NODE_FOLDER
	               ? file->object
	               : -ENOTDIR;
}

int path_walk(struct walk *walk, uint64_t fd, uint64_t address, bool follow)
{
	char path[PATH_BYTES];
	int folder, error = path_copy(address, path);

	if (error < 0)
		return error;
	folder = path[0] == '/' ? ROOT : folder_of(fd);
	if (folder < 0)
		return folder;
	*walk = (struct walk){.folder = (uint16_t)folder};
	if (is_program(path) && path_program != NONE) {
		walk->node = path_program;
		return 0;
	}
	return walk_path(walk, path, follow);
}

int path_walk_text(struct walk *walk, const char *path, bool follow)
{
	*walk = (struct walk){.folder = path[0] == '/' ? ROOT : path_cwd};
	return walk_path(walk, path, follow);
}

int path_node(uint64_t fd, uint64_t address, bool follow)
{
	struct walk walk;
	int error = path_walk(&walk, fd, address, follow);

	return error < 0 ? error : walk.node == NONE ? -ENOENT : walk.node;
}

int path_place(struct walk *walk, uint64_t fd, uint64_t address)
{
	int error = path_walk(walk, fd, address, false);

	if (error < 0)
		return error;
	return walk->node != NONE ? -EEXIST : 0;
}

/* ---- Opening ---- */

uint16_t path_umask = 022;

static int64_t open_node(uint16_t index, uint32_t flags)
{
	struct node *node = tree_node(index);
	bool writes = (flags & O_ACCMODE) != O_RDONLY;
	int64_t fd;

	if (node->type == NODE_DEVICE)
		return fd_open((uint8_t)node->first, NONE, flags, 0);
	if (node->type == NODE_LINK)
		return -ELOOP;
	if (node->type == NODE_SOCKET)
		return -ENXIO;
	if (node->type == NODE_FOLDER ? writes : (flags & O_DIRECTORY) != 0)
		return writes ? -EISDIR : -ENOTDIR;
	if (writes && node->read_only)
		return -EROFS;
	fd = fd_open(FILE_NODE, index, flags, 0);
	if (fd < 0)
		return fd;
	tree_opened(index);
	if ((flags & O_TRUNC) != 0 && writes)
		tree_truncate(node, 0);
	return fd;
}

static int64_t open_path(uint64_t fd, uint64_t path, uint32_t flags, uint64_t mode)
{
	struct walk walk;
	int result = path_walk(&walk, fd, path, (flags & O_NOFOLLOW) == 0);

	if (result < 0)
		return result;
	if (walk.node != NONE)
		return (flags & O_CREAT) != 0 && (flags & O_EXCL) != 0
		               ? -EEXIST
		               : open_node(walk.node, flags);
	if ((flags & O_CREAT) == 0)
		return -ENOENT;
	result = tree_make(walk.folder, walk.name, walk.size, NODE_FILE,
	                   (unsigned)mode & ~path_umask);
	return result < 0 ? result : open_node((uint16_t)result, flags);
}

int64_t linux_open(linux_regs *regs)
{
	return open_path((uint64_t)AT_FDCWD, regs->rdi, (uint32_t)regs->rsi, regs->rdx);
}

int64_t linux_openat(linux_regs *regs)
{
	return open_path(regs->rdi, regs->rsi, (uint32_t)regs->rdx, regs->r10);
}

int64_t linux_creat(linux_regs *regs)
{
	return open_path((uint64_t)AT_FDCWD, regs->rdi, O_CREAT | O_WRONLY | O_TRUNC, regs->rsi);
}

/* ---- Status ---- */

uint32_t path_mode(const struct node *node)
{
	static const uint32_t types[] = {[NODE_FILE] = S_IFREG,
	                                 [NODE_FOLDER] = S_IFDIR,
	                                 [NODE_LINK] = S_IFLNK,
	                                 [NODE_DEVICE] = S_IFCHR,
	                                 [NODE_SOCKET] = S_IFSOCK};

	return types[node->type] | node->mode;
}

static int64_t put_stat(uint64_t address, const struct stat *status)
{
	return copy_out(address, status, sizeof(*status));
}

static int64_t put_node(uint64_t address, uint16_t index)
{
	const struct node *node = tree_node(index);
	struct stat status;

	memset(&status, 0, sizeof(status));
	status.st_dev = 1;
	status.st_ino = index + 1u;
	status.st_nlink = node->type == NODE_FOLDER ? 2 : 1;
	status.st_mode = path_mode(node);
	status.st_size = (int64_t)node->size;
	status.st_blksize = BLOCK_BYTES;
	status.st_blocks = (int64_t)((node->size + 511) / 512);
	status.st_rdev = node->type == NODE_DEVICE ? 0x500u + node->first : 0;
	status.st_mtim.tv_sec = (int64_t)(node->changed / SECOND_NS);
	status.st_mtim.tv_nsec = (int64_t)(node->changed % SECOND_NS);
	status.st_atim = status.st_ctim = status.st_mtim;
	return put_stat(address, &status);
}

static int64_t stat_file(uint64_t fd, uint64_t address)
{
	const struct file *file = fd_file((uint32_t)fd);
	struct stat status;

	if (file == NULL)
		return -EBADF;
	if (file->type == FILE_NODE)
		return put_node(address, file->object);
	memset(&status, 0, sizeof(status));
	status.st_ino = 0x10000u + file->type;
	status.st_nlink = 1;
	status.st_mode = fd_mode(file);
	status.st_rdev = S_ISCHR(status.st_mode) ? 0x500u + file->type : 0;
	status.st_blksize = BLOCK_BYTES;
	return put_stat(address, &status);
}

static int64_t stat_path(uint64_t fd, uint64_t path, uint64_t to, bool follow)
{
	int node = path_node(fd, path, follow);

	return node < 0 ? node : put_node(to, (uint16_t)node);
}

int64_t linux_fstat(linux_regs *regs)
{
	return stat_file(regs->rdi, regs->rsi);
}

int64_t linux_stat(linux_regs *regs)
{
	return stat_path((uint64_t)AT_FDCWD, regs->rdi, regs->rsi, true);
}

int64_t linux_lstat(linux_regs *regs)
{
	return stat_path((uint64_t)AT_FDCWD, regs->rdi, regs->rsi, false);
}

int64_t linux_newfstatat(linux_regs *regs)
{
	char first;

	if ((regs->r10 & AT_EMPTY_PATH) != 0 && (int32_t)regs->rdi != AT_FDCWD &&
	    copy_in(&first, regs->rsi, 1) == 0 && first == '\0')
		return stat_file(regs->rdi, regs->rdx);
	return stat_path(regs->rdi, regs->rsi, regs->rdx, (regs->r10 & AT_SYMLINK_NOFOLLOW) == 0);
}

int64_t linux_statfs(linux_regs *regs)
{
	int node = path_node((uint64_t)AT_FDCWD, regs->rdi, true);
	struct statfs status;

	if (node < 0)
		return node;
	memset(&status, 0, sizeof(status));
	status.f_type = TMPFS_MAGIC;
	status.f_bsize = BLOCK_BYTES;
	status.f_blocks = family->blocks;
	status.f_bfree = status.f_bavail = family->blocks_free;
	status.f_files = NODES_MAX;
	status.f_namelen = NAME_BYTES - 1;
	return copy_out(regs->rsi, &status, sizeof(status));
}

static int64_t may_access(uint64_t fd, uint64_t path, uint64_t mode)
{
	int node = path_node(fd, path, true);

	if (node < 0)
		return node;
	return (mode & 2) != 0 && tree_node((uint16_t)node)->read_only ? -EROFS : 0;
}

int64_t linux_access(linux_regs *regs)
{
	return may_access((uint64_t)AT_FDCWD, regs->rdi, regs->rsi);
}

int64_t linux_faccessat(linux_regs *regs)
{
	return may_access(regs->rdi, regs->rsi, regs->rdx);
}

/* The whole path of a node, written so that it ends at `end`. NULL: it has none, or no room. */
static char *full_path(uint16_t index, char *begin, char *end)
{
	*--end = '\0';
	if (index == ROOT)
		*--end = '/';
	while (index != ROOT) {
		const struct node *node = tree_node(index);
		size_t size = strnlen(node->name, NAME_BYTES);

		if (node->parent == NONE || (size_t)(end - begin) < size + 1)
			return NULL;
		end -= size;
		memcpy(end, node->name, size);
		*--end = '/';
		index = node->parent;
	}
	return end;
}

static int64_t read_link(uint64_t fd, uint64_t address, uint64_t to, uint64_t size)
{
	char path[PATH_BYTES], *at = path;
	int error = path_copy(address, path), node;
	size_t n;

	if (error < 0)
		return error;
	if (is_program(path)) {
		at = path_program == NONE ? NULL
		                          : full_path(path_program, path, path + sizeof(path));
		if (at == NULL)
			return -ENOENT;
		n = strlen(at);
	} else {
		int64_t bytes;

		node = path_node(fd, address, false);
		if (node < 0)
			return node;
		if (tree_node((uint16_t)node)->type != NODE_LINK)
			return -EINVAL;
		bytes = tree_read(tree_node((uint16_t)node), path, sizeof(path), 0);
		n = (size_t)(bytes < 0 ? 0 : bytes);
	}
	n = n < size ? n : size;
	return copy_out(to, at, n) < 0 ? -EFAULT : (int64_t)n;
}

int64_t linux_readlink(linux_regs *regs)
{
	return read_link((uint64_t)AT_FDCWD, regs->rdi, regs->rsi, regs->rdx);
}

int64_t linux_readlinkat(linux_regs *regs)
{
	return read_link(regs->rdi, regs->rsi, regs->rdx, regs->r10);
}

int64_t linux_getcwd(linux_regs *regs)
{
	char path[PATH_BYTES], *at = full_path(path_cwd, path, path + sizeof(path));
	size_t size;

	if (at == NULL)
		return -ENOENT;
	size = strlen(at) + 1;
	if (regs->rsi < size)
		return -ERANGE;
	return copy_out(regs->rdi, at, size) < 0 ? -EFAULT : (int64_t)size;
}

static int64_t change_to(int node)
{
	if (node < 0)
		return node;
	if (tree_node((uint16_t)node)->type != NODE_FOLDER)
		return -ENOTDIR;
	path_cwd = (uint16_t)node;
	return 0;
}

int64_t linux_chdir(linux_regs *regs)
{
	return change_to(path_node((uint64_t)AT_FDCWD, regs->rdi, true));
}

int64_t linux_fchdir(linux_regs *regs)
{
	return change_to(folder_of((uint32_t)regs->rdi));
}

int64_t linux_umask(linux_regs *regs)
{
	uint16_t old = path_umask;

	path_umask = regs->rdi & 0777;
	return old;
}

/* ---- Changing ---- */

int64_t linux_ftruncate(linux_regs *regs)
{
	struct file *file = fd_file((uint32_t)regs->rdi);

	if (file == NULL || (file->flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	return file->type == FILE_NODE ? tree_truncate(tree_node(file->object), regs->rsi)
	                               : -EINVAL;
}

int64_t linux_truncate(linux_regs *regs)
{
	int node = path_node((uint64_t)AT_FDCWD, regs->rdi, true);

	return node < 0 ? node : tree_truncate(tree_node((uint16_t)node), regs->rsi);
}

/* Times are the library OS's; what is there keeps its own. */
int64_t linux_utimensat(linux_regs *regs)
{
	int node = regs->rsi == 0 ? 0 : path_node(regs->rdi, regs->rsi, true);

	return node < 0 ? node : 0;
}

static int64_t change_mode(int node, uint64_t mode)
{
	if (node < 0)
		return node;
	if (tree_node((uint16_t)node)->read_only)
		return -EROFS;
	tree_node((uint16_t)node)->mode = mode & 07777;
	return 0;
}

int64_t linux_chmod(linux_regs *regs)
{
	return change_mode(path_node((uint64_t)AT_FDCWD, regs->rdi, true), regs->rsi);
}

int64_t linux_fchmodat(linux_regs *regs)
{
	return change_mode(path_node(regs->rdi, regs->rsi, true), regs->rdx);
}
