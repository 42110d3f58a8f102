#ifndef yoml_h
#define yoml_h

#include <stddef.h>

/**
 * The parsed configuration, laid out as the server's binary of release 2.2.5 has it. `h2o/configurator.h` includes "yoml.h", which
 * no package ships: this file stands in for it, and is found with `-Imodule`. It describes memory that the server owns; a
 * configurator reads nodes while its callback runs and copies what it wants to keep.
 */

typedef struct st_yoml_t yoml_t;

typedef enum en_yoml_type_t {
    YOML_TYPE_SCALAR,
    YOML_TYPE_SEQUENCE,
    YOML_TYPE_MAPPING,
    /** exists only while a file is being parsed; no callback ever sees one */
    YOML__TYPE_UNRESOLVED_ALIAS
} yoml_type_t;

typedef struct st_yoml_mapping_element_t {
    yoml_t *key;
    yoml_t *value;
} yoml_mapping_element_t;

/**
 * `size` elements follow; the bound of 1 is the layout's, not a limit
 */
typedef struct st_yoml_sequence_t {
    size_t size;
    yoml_t *elements[1];
} yoml_sequence_t;

/**
 * `size` pairs follow, in the order of the file
 */
typedef struct st_yoml_mapping_t {
    size_t size;
    yoml_mapping_element_t elements[1];
} yoml_mapping_t;

struct st_yoml_t {
    yoml_type_t type;
    /**
     * the file as it was named on the command line or in a `!file` tag, so possibly relative to the working directory; or NULL
     */
    char *filename;
    /**
     * position in that file, both from 0
     */
    size_t line;
    size_t column;
    /**
     * NULL where the file gives none
     */
    char *anchor;
    char *tag;
    /**
     * one node can appear in several places (aliases, `!file` named twice)
     */
    size_t _refcnt;
    /**
     * the member that `type` names; a scalar is NUL-terminated and never NULL
     */
    union {
        char *scalar;
        yoml_sequence_t sequence;
        yoml_mapping_t mapping;
        char *alias;
    } data;
};

_Static_assert(offsetof(yoml_t, data) == 7 * sizeof(void *), "yoml_t differs from the layout of h2o 2.2.5");
_Static_assert(offsetof(yoml_t, data.mapping.elements) == 8 * sizeof(void *), "yoml_t differs from the layout of h2o 2.2.5");

#endif
