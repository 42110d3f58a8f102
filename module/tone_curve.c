#include <math.h>
#include "module/tone_curve.h"

#define WHITE 255.0

static double clip(double value)
{
    return value < 0 ? 0 : value > WHITE ? WHITE : value;
}

void sluice_tone_curve_init(sluice_tone_curve_t *curve)
{
    for (int i = 0; i != 256; ++i)
        curve->values[i] = i;
}

void sluice_tone_curve_brighten(sluice_tone_curve_t *curve, int32_t percent)
{
    for (int i = 0; i != 256; ++i)
        curve->values[i] = clip(curve->values[i] + percent * (WHITE / 100));
}

static double sigmoid(double x, double steepness)
{
    return 1 / (1 + exp(steepness * (0.5 - x)));
}

static double inverse_sigmoid(double y, double steepness)
{
    return 0.5 - log((1 - y) / y) / steepness;
}

void sluice_tone_curve_contrast(sluice_tone_curve_t *curve, int32_t percent)
{
    double steepness = fabs(percent * 0.3), low = sigmoid(0, steepness), high = sigmoid(1, steepness);

    for (int i = 0; i != 256; ++i) {
        double x = curve->values[i] / WHITE;
        double y = percent > 0 ? (sigmoid(x, steepness) - low) / (high - low) : inverse_sigmoid(x * (high - low) + low, steepness);
        curve->values[i] = clip(y * WHITE);
    }
}

void sluice_tone_curve_gamma(sluice_tone_curve_t *curve, double exponent)
{
    for (int i = 0; i != 256; ++i)
        curve->values[i] = WHITE * pow(curve->values[i] / WHITE, exponent);
}

void sluice_tone_curve_negate(sluice_tone_curve_t *curve)
{
    for (int i = 0; i != 256; ++i)
        curve->values[i] = WHITE - curve->values[i];
}

void sluice_tone_curve_round(const sluice_tone_curve_t *curve, uint8_t table[256])
{
    for (int i = 0; i != 256; ++i)
        table[i] = (uint8_t)lrint(curve->values[i]);
}
