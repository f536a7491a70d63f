/* Loaded before libcamera (LD_PRELOAD) on machines whose kernel has no dma-buf heap: gives it anonymous shared memory
 * instead, which is mapped and shared in the same way. A Raspberry Pi has the real thing and needs none of this.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int is_allocator(const char *path)
{
	return path && (!strcmp(path, "/dev/udmabuf") || !strncmp(path, "/dev/dma_heap/", 14));
}

static int anonymous(void)
{
	return memfd_create("camera", MFD_CLOEXEC);
}

#define LAST_ARGUMENT(type, name, before) \
	va_list arguments; \
	va_start(arguments, before); \
	type name = va_arg(arguments, type); \
	va_end(arguments)

#define OPEN(name) \
	int name(const char *path, int flags, ...) \
	{ \
		LAST_ARGUMENT(int, mode, flags); \
		int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #name); \
		return is_allocator(path) ? anonymous() : real(path, flags, mode); \
	}

#define OPENAT(name) \
	int name(int folder, const char *path, int flags, ...) \
	{ \
		LAST_ARGUMENT(int, mode, flags); \
		int (*real)(int, const char *, int, ...) = dlsym(RTLD_NEXT, #name); \
		return is_allocator(path) ? anonymous() : real(folder, path, flags, mode); \
	}

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

static int allocate(struct dma_heap_allocation_data *wanted)
{
	int buffer = anonymous();
	if (buffer < 0 || ftruncate(buffer, (wanted->len + 4095) & ~4095ULL))
		return -1;
	wanted->fd = buffer;
	return 0;
}

int ioctl(int file, unsigned long request, ...)
{
	LAST_ARGUMENT(void *, argument, request);
	int (*real)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
	request &= 0xffffffffUL;
	if (request == UDMABUF_CREATE)
		return fcntl(((struct udmabuf_create *)argument)->memfd, F_DUPFD_CLOEXEC, 0);
	if (request == DMA_HEAP_IOCTL_ALLOC)
		return allocate(argument);
	if (request == DMA_BUF_IOCTL_SYNC || (((request >> 8) & 0xff) == DMA_BUF_BASE && (request & 0xff) == 1))
		return 0; /* plain memory is coherent, and needs no name */
	return real(file, request, argument);
}
