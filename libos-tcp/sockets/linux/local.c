/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of local sockets (unix(7)): a path is a file of the tree, kept while its socket lives, so
 * that whoever finds the file by whatever path finds the socket; an abstract name is its bytes. */
#include <errno.h>
#include <sys/un.h>

#include <libexo/lib.h>

#include "net.h"

/* Without the file. */
static int name_in(uint64_t address, uint64_t size, struct sock_name *name)
{
	struct sockaddr_un un;
	size_t length;

	*name = (struct sock_name){.size = 0};
	if ((uint32_t)size > sizeof(un) || (uint32_t)size < sizeof(un.sun_family))
		return -EINVAL;
	memset(&un, 0, sizeof(un));
	if (copy_in(&un, address, (uint32_t)size) < 0)
		return -EFAULT;
	if (un.sun_family != AF_UNIX)
		return -EINVAL;
	length = (uint32_t)size - sizeof(un.sun_family);
	memcpy(name->bytes, un.sun_path, length);
	if (length > 0 && un.sun_path[0] != 0) {
		length = strnlen(un.sun_path, length) + 1;
		if (length > sizeof(name->bytes))
			return -EINVAL;
	}
	name->size = (uint8_t)length;
	return 0;
}

static bool is_path(const struct sock_name *name)
{
	return name->size > 0 && name->bytes[0] != 0;
}

int local_name_in(uint64_t address, uint64_t size, struct sock_name *name)
{
	struct walk walk;
	int error = name_in(address, size, name);

	if (error < 0)
		return error;
	if (name->size == 0)
		return -EINVAL;
	if (!is_path(name))
		return 0;
	error = path_walk_text(&walk, name->bytes, true);
	if (error < 0)
		return error;
	if (walk.node == NONE)
		return -ENOENT;
	if (tree_node(walk.node)->type != NODE_SOCKET)
		return -ECONNREFUSED;
	name->key = walk.node + 1u;
	return 0;
}

int local_bind(struct sock *sock, uint64_t address, uint64_t size)
{
	struct sock_name name;
	struct walk walk;
	int made, error = name_in(address, size, &name);

	if (error < 0)
		return error;
	if (sock->named)
		return -EINVAL;
	if (!is_path(&name))
		return sock_bind_local(sock, &name);
	error = path_walk_text(&walk, name.bytes, false);
	if (error < 0)
		return error;
	if (walk.node != NONE)
		return -EADDRINUSE;
	made = tree_make(walk.folder, walk.name, walk.size, NODE_SOCKET, 0777u & ~path_umask);
	if (made < 0)
		return made;
	name.key = (uint32_t)made + 1;
	tree_opened((uint16_t)made);
	return sock_bind_local(sock, &name);
}

void local_drop_name(uint32_t key)
{
	tree_closed((uint16_t)(key - 1));
}
