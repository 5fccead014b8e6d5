// The first process of a benchmark guest. It says that the kernel is up, runs the programs that the kernel
// command line names, and switches the machine off.
//     owhp.bench=PROGRAM[:ARGUMENT]...[,PROGRAM...]
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_ARGUMENTS = 16 };

static char command_line[4096];

static const char *read_command_line(void)
{
    int file = open("/proc/cmdline", O_RDONLY);
    ssize_t size = file >= 0 ? read(file, command_line, sizeof command_line - 1) : 0;
    if (file >= 0)
        close(file);
    command_line[size > 0 ? size : 0] = 0;
    char *list = strstr(command_line, "owhp.bench=");
    if (!list)
        return NULL;
    list += strlen("owhp.bench=");
    list[strcspn(list, " \n")] = 0;
    return list;
}

static int run(char *program)
{
    char path[64], *arguments[MAX_ARGUMENTS + 1] = {0};
    int count = 0;
    for (char *word = strtok(program, ":"); word && count < MAX_ARGUMENTS; word = strtok(NULL, ":"))
        arguments[count++] = word;
    if (count == 0)
        return 0;
    snprintf(path, sizeof path, "/%s", arguments[0]);
    pid_t child = fork();
    if (child == 0) {
        execv(path, arguments);
        perror(path);
        _exit(127);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(void)
{
    printf("OPENWHP-INIT-OK\n");
    fflush(stdout);
    mkdir("/proc", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    const char *next = read_command_line();
    while (next && *next) {
        char program[256];
        size_t length = strcspn(next, ",");
        snprintf(program, sizeof program, "%.*s", (int)length, next);
        next += length + (next[length] == ',');
        printf("OPENWHP-BENCH-BEGIN %s\n", program);
        fflush(stdout);
        int status = run(program);
        printf("OPENWHP-BENCH-END %d\n", status);
        fflush(stdout);
    }
    sync();
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}
