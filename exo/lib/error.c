/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errors in words; the texts are those of exo/error.h.
 */
#include <exo/error.h>
#include <libexo/printf.h>

const char *exo_error_text(int64_t error)
{
	switch (error < 0 ? -error : error) {
	case 0:
		return "no error";
	case EXO_EPERM:
		return "EXO_EPERM: the capability lacks the right, or names another holder";
	case EXO_ENOENT:
		return "EXO_ENOENT: no such unit";
	case EXO_EIO:
		return "EXO_EIO: a device failed";
	case EXO_E2BIG:
		return "EXO_E2BIG: more than the documented limit";
	case EXO_EAGAIN:
		return "EXO_EAGAIN: not now";
	case EXO_ENOMEM:
		return "EXO_ENOMEM: no free frame, or a limit is reached";
	case EXO_EFAULT:
		return "EXO_EFAULT: a pointer names memory that the caller can't use";
	case EXO_EBUSY:
		return "EXO_EBUSY: owned, bound or pinned by somebody";
	case EXO_EEXIST:
		return "EXO_EEXIST: is there already";
	case EXO_EINVAL:
		return "EXO_EINVAL: an argument is malformed";
	case EXO_ENOSYS:
		return "EXO_ENOSYS: no such call";
	case EXO_ESTALE:
		return "EXO_ESTALE: the capability was revoked";
	case EXO_EKEY:
		return "EXO_EKEY: the capability is forged or damaged";
	case EXO_EVERIFY:
		return "EXO_EVERIFY: the program was refused";
	default:
		return "unknown error";
	}
}
