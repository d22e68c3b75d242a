/* atomic.h - what one thread reads while another writes it: loads that acquire, stores that release; and what each has
   for itself. */
#ifndef LRK_ATOMIC_H
#define LRK_ATOMIC_H

#if defined(__GNUC__)
#define LRK_ACQUIRE(x) __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define LRK_RELEASE(x, value) __atomic_store_n(&(x), (value), __ATOMIC_RELEASE)
#else /* MSVC, for which volatile accesses are these on x86-64 */
#define LRK_ACQUIRE(x) (x)
#define LRK_RELEASE(x, value) ((x) = (value))
#endif

#if defined(_MSC_VER)
#define LRK_THREAD __declspec(thread)
#else
#define LRK_THREAD _Thread_local
#endif

#endif
