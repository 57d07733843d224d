/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls that change and list folders. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <libexo/lib.h>

#include "family.h"

enum {
	ROOT = 0,
	FIXED_DIRENT_BYTES = 19 /* of struct linux_dirent64 before the name */
};

static int64_t make_folder(uint64_t fd, uint64_t path, uint64_t mode)
{
	struct walk walk;
	int result = path_place(&walk, fd, path);

	if (result == 0)
		result = tree_make(walk.folder, walk.name, walk.size, NODE_FOLDER,
		                   (unsigned)mode & ~path_umask);
	return result < 0 ? result : 0;
}

int64_t linux_mkdir(linux_regs *regs)
{
	return make_folder((uint64_t)AT_FDCWD, regs->rdi, regs->rsi);
}

int64_t linux_mkdirat(linux_regs *regs)
{
	return make_folder(regs->rdi, regs->rsi, regs->rdx);
}

/* → 0, or why the node can't lose its name. */
static int64_t may_go(uint16_t index, bool folder)
{
	const struct node *node = tree_node(index);

	if (index == ROOT)
		return -EBUSY;
	if (folder != (node->type == NODE_FOLDER))
		return folder ? -ENOTDIR : -EISDIR;
	if (folder && tree_child(index, 0) != NONE)
		return -ENOTEMPTY;
	return node->read_only || node->type == NODE_DEVICE ? -EROFS : 0;
}

static int64_t remove_name(uint64_t fd, uint64_t path, bool folder)
{
	int node = path_node(fd, path, false);
	int64_t error = node < 0 ? node : may_go((uint16_t)node, folder);

	if (error == 0)
		tree_unlink((uint16_t)node);
	return error;
}

int64_t linux_unlink(linux_regs *regs)
{
	return remove_name((uint64_t)AT_FDCWD, regs->rdi, false);
}

int64_t linux_rmdir(linux_regs *regs)
{
	return remove_name((uint64_t)AT_FDCWD, regs->rdi, true);
}

int64_t linux_unlinkat(linux_regs *regs)
{
	return remove_name(regs->rdi, regs->rsi, (regs->rdx & AT_REMOVEDIR) != 0);
}

static bool lies_below(uint16_t index, uint16_t above)
{
	while (index != ROOT && index != NONE && index != above)
		index = tree_node(index)->parent;
	return index == above;
}

static int64_t rename_path(uint64_t from_fd, uint64_t from, uint64_t to_fd, uint64_t to)
{
	int node = path_node(from_fd, from, false);
	struct walk walk;
	int64_t error;

	if (node <= ROOT)
		return node < 0 ? node : -EBUSY;
	error = path_walk(&walk, to_fd, to, false);
	if (error < 0)
		return error;
	if (walk.size == 0 || lies_below(walk.folder, (uint16_t)node))
		return -EINVAL;
	if (tree_node((uint16_t)node)->read_only)
		return -EROFS;
	if (walk.node == node)
		return 0;
	if (walk.node != NONE) {
		error = may_go(walk.node, tree_node((uint16_t)node)->type == NODE_FOLDER);
		if (error < 0)
			return error;
		tree_unlink(walk.node);
	}
	memset(tree_node((uint16_t)node)->name, 0, NAME_BYTES);
	memcpy(tree_node((uint16_t)node)->name, walk.name, walk.size);
	tree_node((uint16_t)node)->parent = walk.folder;
	return 0;
}

int64_t linux_rename(linux_regs *regs)
{
	return rename_path((uint64_t)AT_FDCWD, regs->rdi, (uint64_t)AT_FDCWD, regs->rsi);
}

/* renameat2 without flags is the same. */
int64_t linux_renameat(linux_regs *regs)
{
	return rename_path(regs->rdi, regs->rsi, regs->rdx, regs->r10);
}

static int64_t make_link(uint64_t target, uint64_t fd, uint64_t path)
{
	char text[PATH_BYTES];
	struct walk walk;
	int result = path_copy(target, text);

	if (result == 0)
		result = path_place(&walk, fd, path);
	if (result == 0)
		result = tree_make(walk.folder, walk.name, walk.size, NODE_LINK, 0777);
	if (result < 0)
		return result;
	if (tree_write(tree_node((uint16_t)result), text, strlen(text), 0) == (int64_t)strlen(text))
		return 0;
	tree_unlink((uint16_t)result);
	return -ENOSPC;
}

int64_t linux_symlink(linux_regs *regs)
{
	return make_link(regs->rdi, (uint64_t)AT_FDCWD, regs->rsi);
}

int64_t linux_symlinkat(linux_regs *regs)
{
	return make_link(regs->rdi, regs->rsi, regs->rdx);
}

/* One struct linux_dirent64. → its bytes, 0: no room. */
static size_t put_entry(uint64_t address, uint64_t room, const char *name, uint16_t index,
                        uint64_t next)
{
	size_t length = strnlen(name, NAME_BYTES);
	size_t bytes = (FIXED_DIRENT_BYTES + length + 1 + 7) & ~7ul;
	uint64_t number = index + 1u;
	uint8_t *at = (uint8_t *)address;

	if (bytes > room)
		return 0;
	memset(at, 0, bytes);
	memcpy(at, &number, 8);
	memcpy(at + 8, &next, 8);
	at[16] = (uint8_t)bytes;
	at[17] = (uint8_t)(bytes >> 8);
	at[18] = (uint8_t)(path_mode(tree_node(index)) >> 12);
	memcpy(at + FIXED_DIRENT_BYTES, name, length);
	return bytes;
}

/* The offset of a folder counts names, "." and ".." first. */
int64_t linux_getdents64(linux_regs *regs)
{
	struct file *file = fd_file((uint32_t)regs->rdi);
	uint64_t done = 0, size = regs->rdx < 65536 ? regs->rdx : 65536;

	if (file == NULL)
		return -EBADF;
	if (file->type != FILE_NODE || tree_node(file->object)->type != NODE_FOLDER)
		return -ENOTDIR;
	if (!vm_prepare(regs->rsi, size, true))
		return -EFAULT;
	for (;;) {
		uint64_t i = file->offset;
		uint16_t index = i == 0   ? file->object
		                 : i == 1 ? tree_node(file->object)->parent
		                          : tree_child(file->object, (unsigned)i - 2);
		size_t bytes;

		if (index == NONE)
			return (int64_t)done;
		bytes = put_entry(regs->rsi + done, size - done,
		                  i == 0   ? "."
		                  : i == 1 ? ".."
		                           : tree_node(index)->name,
		                  index, i + 1);
		if (bytes == 0)
			return done == 0 ? -EINVAL : (int64_t)done;
		done += bytes;
		file->offset++;
	}
}
