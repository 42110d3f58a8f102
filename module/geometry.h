/*
 * geometry.h - from the size of a source and the options to what is done with its pixels, and to the size of the answer. Pure.
 *
 * The steps, in the order in which the fields of sluice_geometry_t stand:
 *
 *   of what is stored    trim, crop (precrop), scale, crop (cover, cx cy cw ch), turn, mirror
 *   of what is seen      crop where libvips finds it best (entropy, attention), extend (contain), rotate
 *
 * What a request says is meant of the picture as it is seen: upright, then turned by `ro` if that is a multiple of 90 degrees, then
 * flipped and flopped. Here it is brought into the frame of what is stored, so that all that is cropped goes away before pixels are
 * copied to be turned. The semantics are those of weserv (its processors thumbnail, orientation, alignment, crop, embed, rotation):
 *
 *   scale        `fit` chooses the factor of a side; sides are rounded to the nearest, from the middle to even, and are at least 1.
 *                w and h are sides of the upright picture, so that `ro` turns what comes of them; with `precrop` they are sides of
 *                the turned and cropped picture. Shares are of the sides that the source has before anything is cut off it.
 *                `we` makes no side larger, whatever `fit` says
 *   cover        crops to w x h, or to as much of it as there is; contain extends to w x h, or by one side if only one is given
 *   crop         cx and cy beyond the picture count as 0, cw and ch end with it; shares are of the picture that is cropped
 *   position     odd pixels go to the right and below
 *
 * and differ from it where it forgets that a picture was turned: the box of cover and contain, the shares and the focal point are
 * turned as well, and what EXIF mirrors is mirrored before `ro` and `flip` apply. A share that is given is one pixel at least.
 */
#ifndef module__geometry_h
#define module__geometry_h

#include "module/image_options.h"

typedef struct st_sluice_size_t {
    uint32_t width, height;
} sluice_size_t;

typedef struct st_sluice_area_t {
    uint32_t left, top, width, height;
} sluice_area_t;

typedef struct st_sluice_geometry_t {
    sluice_area_t source; /* what is scaled, of what is stored */
    sluice_size_t scaled; /* to what size */
    sluice_area_t kept;   /* what is left of that */
    uint32_t turn;        /* 0, 90, 180 or 270 degrees clockwise */
    int mirror;           /* left to right */
    sluice_size_t found;  /* of the area that is to be found; 0 x 0: none */
    sluice_area_t part;   /* what is left of that area */
    sluice_area_t canvas; /* where the picture lies on it, and how large it is; 0 x 0: none */
    uint32_t angle;       /* degrees clockwise, 0 or no multiple of 90 */
    sluice_size_t answer;
} sluice_geometry_t;

/**
 * @param stored of the source
 * @param trimmed what trimming has left of it: all of it, or less
 * @param orientation of EXIF, 1 to 8
 */
void sluice_geometry_make(sluice_size_t stored, sluice_area_t trimmed, int orientation, const sluice_options_t *options,
                          sluice_geometry_t *geometry);
/**
 * whether that is all of a picture of this size
 */
int sluice_area_is_all(sluice_area_t area, sluice_size_t size);

#endif
