/* Threads that share out the parts of an instruction, which write apart from each other and can be done in any order.

   PARTS, words, parts, where each part begins, counted from here, then the parts: instructions like any other.

   Who runs a plan takes parts until none is left, and so does every thread that is awake, so nobody waits for one that
   still sleeps. No thread knows Python. They begin when they are first wanted; one plan has them at a time, and another
   that runs beside it does its parts alone, as a process does whose parent was running when it was forked. Where other
   work keeps the processors busy, threads are taken off them in the middle of a part, and the rest waits: who has lost
   more time than it worked works alone for a while, twice as long each time that this happens again. */

static void do_one(Executor *run, const int64_t *word, int64_t k, char *const *memory) {
    const int64_t *part = word + word[3 + k];
    run(part, part + part[1], memory, NULL);
}

static void do_alone(Executor *run, const int64_t *word, char *const *memory) {
    for (int64_t k = 0; k < word[2]; k++)
        do_one(run, word, k, memory);
}

#if defined(_WIN32)
#define share_out do_alone
#else
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#define MOST_THREADS 256
#define AWAKE 100000 /* nanoseconds for which a thread looks for more before it sleeps */
#define LOOKS 64     /* between two looks at the clock */
#define LOST 100000 /* nanoseconds: an interrupt takes less, other work more */
#define SHORTEST 1000000
#define LONGEST 200000000 /* nanoseconds for which somebody works alone */

static struct {
    atomic_flag taken; /* by the plan that is running */
    int threads;
    /* The parts that nobody has taken: which job, which is next, how many there are. A part is taken by exchanging this
       for what has one fewer, which fails where it is another job's by now. */
    _Atomic uint64_t open;
    atomic_int done, asleep;
    Executor *run;
    const int64_t *word;
    char *const *memory;
    unsigned int rounding;
    int64_t alone_until, alone_for;
    pthread_mutex_t lock;
    pthread_cond_t wake;
} team = {.taken = ATOMIC_FLAG_INIT, .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

#define NEXT(open) ((open) >> 16 & 0xFFFF)
#define COUNT(open) ((open) & 0xFFFF)

static void rest(void) {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* One of the open parts, done; 0 where there is none. */
static int do_part(void) {
    uint64_t open = atomic_load(&team.open);
    do {
        if (NEXT(open) >= COUNT(open))
            return 0;
    } while (!atomic_compare_exchange_weak(&team.open, &open, open + (1 << 16)));
    set_rounding(team.rounding);
    do_one(team.run, team.word, (int64_t)NEXT(open), team.memory);
    atomic_fetch_add(&team.done, 1);
    return 1;
}

static int64_t time_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int is_open(void) {
    uint64_t open = atomic_load(&team.open);
    return NEXT(open) < COUNT(open);
}

static void *work_on(void *nothing) {
    for (int64_t since = time_of(CLOCK_MONOTONIC);;) {
        for (int look = 0; look < LOOKS && !is_open(); look++)
            rest();
        if (is_open()) {
            while (do_part())
                ;
            since = time_of(CLOCK_MONOTONIC);
        } else if (time_of(CLOCK_MONOTONIC) - since > AWAKE) {
            pthread_mutex_lock(&team.lock);
            atomic_fetch_add(&team.asleep, 1);
            while (!is_open())
                pthread_cond_wait(&team.wake, &team.lock);
            atomic_fetch_sub(&team.asleep, 1);
            pthread_mutex_unlock(&team.lock);
            since = time_of(CLOCK_MONOTONIC);
        }
    }
    return nothing;
}

/* In the child of a fork there is one thread, whatever the others were doing. */
static void alone_again(void) {
    pthread_mutex_init(&team.lock, NULL);
    pthread_cond_init(&team.wake, NULL);
    atomic_store(&team.open, 0);
    atomic_store(&team.asleep, 0);
    atomic_flag_clear(&team.taken);
    team.threads = 0;
}

/* One more thread, which no signal interrupts; 0 where there can be none. */
static int begin_thread(void) {
    static int told;
    pthread_t thread;
    sigset_t all, before;
    if (!told)
        told = !pthread_atfork(NULL, NULL, alone_again);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int begun = told && !pthread_create(&thread, NULL, work_on, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (begun)
        pthread_detach(thread);
    return begun;
}

/* The parts of an instruction, by whoever is there. */
static void share_out(Executor *run, const int64_t *word, char *const *memory) {
    const int parts = (int)word[2];
    if (atomic_flag_test_and_set(&team.taken)) {
        do_alone(run, word, memory);
        return;
    }
    const int64_t begun = time_of(CLOCK_MONOTONIC);
    if (begun < team.alone_until) {
        atomic_flag_clear(&team.taken);
        do_alone(run, word, memory);
        return;
    }
    while (team.threads < parts - 1 && team.threads < MOST_THREADS && begin_thread())
        team.threads++;
    team.run = run;
    team.word = word;
    team.memory = memory;
    team.rounding = rounding_now();
    atomic_store(&team.done, 0);
    atomic_store(&team.open, ((atomic_load(&team.open) >> 32) + 1) << 32 | (uint64_t)parts);
    if (atomic_load(&team.asleep)) {
        pthread_mutex_lock(&team.lock);
        pthread_cond_broadcast(&team.wake);
        pthread_mutex_unlock(&team.lock);
    }
    int64_t worked = -time_of(CLOCK_THREAD_CPUTIME_ID);
    while (do_part())
        ;
    worked += time_of(CLOCK_THREAD_CPUTIME_ID);
    for (int64_t looks = 1; atomic_load(&team.done) < parts; looks++)
        if (looks % (16 * LOOKS))
            rest();
        else
            sched_yield();
    const int64_t ended = time_of(CLOCK_MONOTONIC);
    if (ended - begun > 2 * worked + LOST) {
        team.alone_for = team.alone_for < SHORTEST ? SHORTEST : team.alone_for < LONGEST ? 2 * team.alone_for : LONGEST;
        team.alone_until = ended + team.alone_for;
    } else
        team.alone_for -= team.alone_for / 16;
    atomic_flag_clear(&team.taken);
}
#endif
