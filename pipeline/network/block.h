/* One machine is one block of bytes: a header, the machine's part, one record per line, then the joint matrices.

   Copying the bytes is copying the machine. Little-endian, 8-byte aligned, fixed-width types, no pointers: where
   everything is follows from the number of lines. A block may have room for more lines than have had a reading. */
#ifndef SW_BLOCK_H
#define SW_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/account.h"
#include "pipeline/network/params.h"
#include "pipeline/network/rows.h"
#include "pipeline/network/scoring.h"

enum {
    SW_MAGIC = 0x424e5753,  /* "SWNB" */
    SW_FORMAT = 4,          /* raised when a field changes its meaning or its place */
    SW_MOST_LINES = 4096    /* of a machine */
};

struct sw_view;

struct sw_header {
    uint32_t magic;
    uint32_t format;
    uint64_t bytes;      /* of the whole block */
    uint32_t lines;      /* there is room for */
    uint32_t parameters; /* CRC-32 of the parameters the machine was begun with */
    uint32_t check;      /* CRC-32 of all other bytes when the block was sealed */
    uint32_t context;    /* 1 if the lines have that population */
    uint64_t machine;    /* whose it is, as who moves it says; 0 where nobody has */
};

/* The three evolving populations of a line; delays in compressed units. */
struct sw_levels {
    struct sw_evolving common;
    sw_delay delays[SW_LEVELS_HEARD][SW_NEURONS];
};

struct sw_pattern {
    struct sw_evolving common;
    sw_delay delays[SW_PATTERN_HEARD][SW_NEURONS];
};

struct sw_changes {
    struct sw_evolving common;
    sw_delay delays[SW_CHANGES_HEARD][SW_NEURONS];
};

/* The rank neurons of a line, one per population that every line has. */
struct sw_ranks {
    uint16_t tails[SW_CONTEXT][SW_BINS];
    uint32_t spare; /* so that there are no hidden bytes */
};

struct sw_line {
    struct sw_rows_line rows;
    struct sw_clock clock;
    struct sw_delta delta;
    struct sw_value value;
    struct sw_activity activity;
    struct sw_traces traces;
    struct sw_persistence persistence;
    struct sw_coupling coupling;
    struct sw_resolution resolution;
    struct sw_kind kind;
    struct sw_expectation expectation;
    struct sw_evidence_line evidence;
    struct sw_drift_line drift;
    struct sw_wear wear;
    struct sw_quality quality;
    struct sw_rhythm_line rhythm;
    sw_real dendrite;             /* surprise of the line in the newest row */
    float rarity[SW_CONTEXT];     /* -log10 p in the open or newest row: the explanation */
    struct sw_ranks rank;
    struct sw_condition_line condition;
    struct sw_modes_line modes;
    struct sw_levels levels;
    struct sw_pattern pattern;
    struct sw_changes changes;
};

struct sw_machine {
    struct sw_rows_machine rows;
    struct sw_condition_machine condition;
    struct sw_modes_machine modes;
    struct sw_evidence_machine evidence;
    struct sw_drift_machine drift;
    struct sw_rhythm_machine rhythm;
    struct sw_routine routine;
    struct sw_output output;
    struct sw_scoring scoring;
    struct sw_account account;
    int64_t frozen; /* learns nothing; traces, membranes, spikes, and what quality says of a sensor go on */
};

/* What is wrong with some bytes that should be a block. */
enum {
    SW_FINE,
    SW_NO_BLOCK,         /* other bytes, or not aligned */
    SW_OTHER_FORMAT,
    SW_OTHER_SIZE,       /* cut off, or not of so many lines */
    SW_DAMAGED,          /* not as it was sealed */
    SW_IMPOSSIBLE,       /* a number that points elsewhere */
    SW_OTHER_PARAMETERS  /* begun with others: what was learned may mean something else */
};

/* Bytes of a block of so many lines, with or without the context population; 0 where there can be no such block. */
uint64_t sw_block_bytes(int64_t lines, bool context);

/* Where the parts of a block of so many lines begin: numbers of the lines in order of their first readings, weights
   of the coupling (lines, lines), and the matrices of a cohort: covariance, precision, weights of the drift. */
uint64_t sw_block_roster(int64_t lines);
uint64_t sw_block_coupling(int64_t lines);
uint64_t sw_block_cohort(int64_t lines, int64_t number);

/* Where the context population of the lines begins, if they have it: one record each, as large as all others. */
uint64_t sw_block_context(int64_t lines);

/* CRC-32 of parameters, by which a block knows them again. */
uint32_t sw_block_identity(const struct sw_params *params);

/* Make a machine of so many lines that have seen nothing; `block` has `sw_block_bytes` bytes, with a context if these
   parameters have one. */
void sw_block_init(const struct sw_params *params, void *block, int64_t lines);

/* Let a line begin anew as what it has proved to be: all that it has learned goes, but for its times, how it moves and
   what quality knows of it. `seen`: readings of it so far. */
void sw_block_begin_anew(const struct sw_params *params, const struct sw_view *view, int64_t number, sw_real seen);

/* Make a larger machine that knows all that the old one does; the new lines have seen nothing. */
void sw_block_grow(const struct sw_params *params, const void *old, void *block, int64_t lines);

/* Note the check sum, before a block is stored. */
void sw_block_seal(void *block);

/* What is wrong with bytes that were sealed and stored; SW_FINE for nothing. */
int64_t sw_block_check(const struct sw_params *params, const void *block, uint64_t bytes);

#endif
