/* SPDX-License-Identifier: BSD-2-Clause */
/* The program that the Linux guest executes. */
int main(void)
{
	return 0;
}
