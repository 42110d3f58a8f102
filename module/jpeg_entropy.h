/*
 * jpeg_entropy.h - what the scans of a JPEG give at an eighth of its size. Pure.
 *
 * Of a block of 8 x 8 samples only the mean is wanted, which its first coefficient (DC) says. The others (AC) are most of the file.
 * In sequential mode they are skipped, several codes at a time; in progressive mode they have scans of their own, most of which
 * nobody has to look at. Components that have half the resolution in both directions are an exception: they are wanted at a quarter
 * of their own size, 2 x 2 samples of a block, for which 24 of their AC coefficients count. This is what libjpeg does, to the last
 * bit.
 */
#ifndef module__jpeg_entropy_h
#define module__jpeg_entropy_h

#include "module/jpeg_huffman.h"

#define SLUICE_JPEG_COMPONENTS 3 /* at most */
#define SLUICE_JPEG_MCU_BLOCKS 10

/**
 * of a block of a progressive file, what is known of its AC coefficients
 */
typedef struct st_sluice_jpeg_details_t {
    uint64_t set;   /* a bit for each that is not 0, in zigzag order */
    int16_t of[28]; /* those that count for 2 x 2 samples, one for all others, and what fills a cache line; not dequantised */
} sluice_jpeg_details_t;

typedef struct st_sluice_jpeg_component_t {
    unsigned id, h, v;              /* sampling factors */
    unsigned table;                 /* of quantisation */
    unsigned size;                  /* samples of a block in each direction, 1 or 2 */
    uint32_t columns, rows;         /* of blocks, as far as there is picture; */
    uint32_t all_columns, all_rows; /* and those that fill the last MCU */
    int quantised;                  /* `quants` are set: it was in a scan */
    uint16_t quants[64];            /* as in the file: in zigzag order */
    int8_t known[64];               /* the lowest bit known of each coefficient; -1: none */
    uint8_t *samples;               /* all_columns * size to a row */
    /* of progressive files: by blocks, all_columns to a row */
    int16_t *means;                 /* not dequantised */
    sluice_jpeg_details_t *details; /* where size is 2 */
} sluice_jpeg_component_t;

/**
 * one scan with all that it needs. `dc` and `ac` are defined where the mode takes them
 */
typedef struct st_sluice_jpeg_scan_t {
    unsigned num_components;
    struct {
        sluice_jpeg_component_t *component;
        const sluice_jpeg_code_t *dc, *ac;
    } of[SLUICE_JPEG_COMPONENTS];
    int progressive;
    unsigned first, last;   /* coefficients, in zigzag order */
    unsigned high, low;     /* progressive: bits known before (0: none), and after */
    uint32_t columns, rows; /* of MCUs, in scans of several components */
    uint32_t restart_interval;
    sluice_jpeg_segment_t segment; /* next and end are set */
} sluice_jpeg_scan_t;

/**
 * Reads the entropy-coded data up to the marker behind it, to which segment.next points then. Returns 0, or -1 if there is anything
 * about which libjpeg would say a word.
 */
int sluice_jpeg_scan_read(sluice_jpeg_scan_t *scan);
/**
 * when all scans of a progressive file were read: makes samples
 */
void sluice_jpeg_draw_component(sluice_jpeg_component_t *component);

#endif
