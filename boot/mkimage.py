# SPDX-License-Identifier: BSD-2-Clause
"""Disk and CD images that boot a kernel and a payload, on BIOS and UEFI.

Both hold one FAT volume, which is also the EFI system partition:

    EFI/BOOT/BOOTX64.EFI   the kernel, which is an EFI application
    sluice.cpio            the payload
    sluice.args            the command line, which the kernel reads there when it comes by UEFI
    grub.cfg               the same for BIOS, where Debian's GRUB loads the kernel

NAME.img is a GPT disk: GRUB's core in a BIOS boot partition, the volume in the other. NAME.iso holds
the volume as a file, for El Torito by BIOS (GRUB) and UEFI, with boot records for a disk as well.

Nothing depends on the time, the place or chance: identifiers are digests of what goes in.
"""
import hashlib
import os
import struct
import subprocess
import tempfile
import uuid
import zlib

GRUB = "/usr/lib/grub/i386-pc"
MODULES = ["biosdisk", "part_gpt", "part_msdos", "fat", "iso9660", "loopback", "linux", "normal",
           "configfile", "echo", "test", "serial", "terminal", "all_video", "gfxterm", "sleep",
           "halt", "reboot"]
EPOCH = "1735689600"  # 2025-01-01: before FAT's and ISO's own limits, after 1980
SECTOR = 512
ALIGN = 2048  # sectors: partitions begin at multiples of 1 MiB
BIOS_BOOT = uuid.UUID("21686148-6449-6e6f-744e-656564454649")
EFI_SYSTEM = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")


def image_folders(build):
    """Where the build left the images of environments, as -I options of the payload's builder."""
    folders = []
    for root, _, files in os.walk(os.path.join(build, "appliances")):
        if not root.endswith(".p") and any(os.access(os.path.join(root, f), os.X_OK) for f in files):
            folders += ["-I", root]
    return folders


class Failed(Exception):
    """Says what could not be made and why."""


def run(words, folder):
    environment = dict(os.environ, SOURCE_DATE_EPOCH=EPOCH, TZ="UTC", LC_ALL="C",
                       MTOOLS_SKIP_CHECK="1")
    try:
        result = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    except FileNotFoundError:
        raise Failed(f"there is no program {words[0]}; ci/setup installs it") from None
    if result.returncode:
        raise Failed(f"{words[0]}: {(result.stderr or result.stdout).strip()}")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


# ---- The FAT volume ----------------------------------------------------------------------------


def grub_quote(text):
    return "'" + text.replace("'", "'\\''") + "'"


def grub_config(append):
    words = " ".join(grub_quote(word) for word in append.split())
    return f"""serial --unit=0 --speed=115200
terminal_output console serial
set timeout=0
set gfxpayload=keep
menuentry Sluice {{
	linux /EFI/BOOT/BOOTX64.EFI {words}
	initrd /sluice.cpio
}}
""".encode()


def make_volume(folder, kernel, payload, append, seed):
    """folder/volume.fat, as large as its content asks, a multiple of 1 MiB."""
    files = {"EFI/BOOT/BOOTX64.EFI": read(kernel), "sluice.cpio": read(payload),
             "sluice.args": append.encode() + b"\n", "grub.cfg": grub_config(append)}
    size = sum(len(data) for data in files.values())
    mib = (size + size // 64 >> 20) + 2
    path = os.path.join(folder, "volume.fat")
    with open(path, "wb") as file:
        file.truncate(mib << 20)
    run(["mkfs.vfat", "--invariant", "-i", seed[:8], "-n", "SLUICE", *(["-F", "32"] if mib > 512 else []),
         path], folder)
    tree = os.path.join(folder, "tree")
    for name, data in files.items():
        target = os.path.join(tree, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        write(target, data)
    for root, folders, names in os.walk(tree):
        for name in folders + names:
            os.utime(os.path.join(root, name), (int(EPOCH), int(EPOCH)))
    run(["mmd", "-i", path, "::/EFI", "::/EFI/BOOT"], folder)
    for name in sorted(files):
        run(["mcopy", "-m", "-i", path, os.path.join(tree, name), "::/" + name], folder)
    return path


# ---- GRUB ----------------------------------------------------------------------------------------


def make_core(folder, name, config, prefix):
    """GRUB's core image for BIOS disks, with a configuration inside."""
    early = os.path.join(folder, name + ".cfg")
    write(early, config.encode())
    core = os.path.join(folder, name)
    run(["grub-mkimage", "-O", "i386-pc", "-d", GRUB, "-o", core, "-c", early, "-p", prefix,
         *MODULES], folder)
    return core


# ---- The disk ------------------------------------------------------------------------------------


def guid(seed, what):
    return uuid.UUID(bytes=hashlib.sha256(f"{seed} {what}".encode()).digest()[:16], version=4)


def gpt(sectors, partitions, seed):
    """Primary and backup tables: UEFI 2.10, chapter 5.3. partitions: (type, name, first, last)."""
    entries = b""
    for kind, name, first, last in partitions:
        entries += kind.bytes_le + guid(seed, name).bytes_le + struct.pack("<QQQ", first, last, 0)
        entries += name.encode("utf-16-le").ljust(72, b"\0")
    entries = entries.ljust(128 * 128, b"\0")

    def header(own, other, table):
        fields = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, own, other, 34,
                             sectors - 34, guid(seed, "disk").bytes_le, table, 128, 128,
                             zlib.crc32(entries))
        return (fields[:16] + struct.pack("<I", zlib.crc32(fields)) + fields[20:]).ljust(SECTOR,
                                                                                        b"\0")

    return (header(1, sectors - 1, 2) + entries,
            entries + header(sectors - 1, 1, sectors - 33))


def master_boot_record(core_sector, sectors, seed):
    """GRUB's boot code, told where its core is, and a protective partition. The active flag makes
    old BIOSes boot it."""
    code = bytearray(read(os.path.join(GRUB, "boot.img")))
    struct.pack_into("<Q", code, 0x5c, core_sector)
    code[0x66:0x68] = b"\x90\x90"  # a disk, not a floppy: trust the drive's number
    code[0x1b8:0x1be] = bytes.fromhex(seed[8:16]) + b"\0\0"
    struct.pack_into("<8B2I", code, 0x1be, 0x80, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1,
                     min(sectors - 1, 0xffffffff))
    code[0x1ce:0x1fe] = bytes(48)
    code[0x1fe:0x200] = b"\x55\xaa"
    return bytes(code)


def make_disk(folder, volume, seed, output):
    core = bytearray(read(make_core(folder, "disk.core", "configfile ($root)/grub.cfg\n",
                                    "(,gpt2)/")))
    struct.pack_into("<Q", core, 0x1f4, ALIGN + 1)  # the core's first sector: where the rest lies
    volume_data = read(volume)
    core_end = ALIGN * 2 - 1
    if len(core) > (core_end + 1 - ALIGN) * SECTOR:
        raise Failed("GRUB's core does not fit in 1 MiB")
    volume_last = ALIGN * 2 + len(volume_data) // SECTOR - 1
    sectors = volume_last + 1 + ALIGN
    primary, backup = gpt(sectors, [(BIOS_BOOT, "BIOS boot", ALIGN, core_end),
                                    (EFI_SYSTEM, "Sluice", ALIGN * 2, volume_last)], seed)
    with open(output, "wb") as file:
        file.truncate(sectors * SECTOR)
        for at, data in ((0, master_boot_record(ALIGN, sectors, seed)), (1, primary),
                         (ALIGN, bytes(core)), (ALIGN * 2, volume_data), (sectors - 33, backup)):
            file.seek(at * SECTOR)
            file.write(data)


# ---- The CD --------------------------------------------------------------------------------------


def make_cd(folder, volume, seed, output):
    core = make_core(folder, "cd.core", "loopback stick ($root)/volume.fat\nset root=stick\n"
                     "configfile (stick)/grub.cfg\n", "/")
    tree = os.path.join(folder, "cd")
    os.makedirs(tree)
    write(os.path.join(tree, "bios.img"), read(os.path.join(GRUB, "cdboot.img")) + read(core))
    os.rename(volume, os.path.join(tree, "volume.fat"))
    for name in os.listdir(tree):
        os.utime(os.path.join(tree, name), (int(EPOCH), int(EPOCH)))
    os.utime(tree, (int(EPOCH), int(EPOCH)))
    day = "2025010100000000"
    run(["xorriso", "-as", "mkisofs", "-quiet", "-V", "SLUICE", "-o", output,
         "--modification-date=" + day, "--set_all_file_dates", day, "-R",
         "-b", "bios.img", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table",
         "--grub2-boot-info", "--grub2-mbr", os.path.join(GRUB, "boot_hybrid.img"),
         "--gpt_disk_guid", guid(seed, "cd").hex,
         "-eltorito-alt-boot", "-e", "volume.fat", "-no-emul-boot", "-isohybrid-gpt-basdat", tree],
        folder)


def sign_kernel(folder, kernel, key, certificate):
    signed = os.path.join(folder, "signed")
    run(["sbsign", "--key", key, "--cert", certificate, "--output", signed, kernel], folder)
    return signed


def make(kernel, payload, append, iso, img, sign=None):
    """Writes both images. append: the kernel's command line. sign: key and certificate, or None."""
    digest = hashlib.sha256(read(kernel) + read(payload) + append.encode())
    seed = digest.hexdigest()
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder:
        if sign:
            kernel = sign_kernel(folder, kernel, *map(os.path.abspath, sign))
        volume = make_volume(folder, kernel, payload, append, seed)
        make_disk(folder, volume, seed, os.path.abspath(img))
        make_cd(folder, volume, seed, os.path.abspath(iso))
