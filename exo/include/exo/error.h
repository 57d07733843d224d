/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Error codes of kernel calls. A call returns a value of zero or more, or the negative of one of
 * these. The numbers are those of Linux's errno where one fits, so that the Linux personality
 * passes them on as they are.
 */
#ifndef EXO_ERROR_H
#define EXO_ERROR_H

enum exo_error {
	EXO_EPERM = 1,   /* the capability lacks the right, or names another holder */
	EXO_ENOENT = 2,  /* no such unit: environment, port, slot, binding */
	EXO_EIO = 5,     /* a device failed */
	EXO_E2BIG = 7,   /* more than the documented limit */
	EXO_EAGAIN = 11, /* not now: try again after an event */
	EXO_ENOMEM =
	        12, /* no free frame, the environment's limit, or kernel memory bound reached */
	EXO_EFAULT = 14,  /* a pointer names memory that the caller can't read or write */
	EXO_EBUSY = 16,   /* owned, bound or pinned by somebody */
	EXO_EEXIST = 17,  /* is there already */
	EXO_EINVAL = 22,  /* an argument is malformed; nothing was changed */
	EXO_ENOSYS = 38,  /* no such call */
	EXO_ESTALE = 116, /* the capability's epoch has ended: it was revoked */
	EXO_EKEY = 129,   /* the capability's authenticator is wrong: forged or damaged */
	EXO_EVERIFY =
	        132, /* the downloaded program was refused; the reason is in the caller's buffer */
};

#endif
