/* Coefficients for the error function: erfc(z) e^(z^2) falls slowly and is a quotient of two polynomials everywhere (after
   W. J. Cody, Rational Chebyshev Approximations for the Error Function, Math. Comp. 23, 1969); near 0 a series does. They
   come from interpolation at Chebyshev's points in 60 digits; each approximation is within 1e-17 of its function,
   relative, in double precision and within 1e-8 in single. */

#ifndef ERROR_FUNCTION
#define ERROR_FUNCTION

/* erfc(z) e^(z^2) for z from 0 on, above and below the line */
static const float above_float[] = {1.0f, 1.23458747f, 0.727278484f, 0.227028374f, 0.03228741f};
static const float below_float[] = {1.0f, 2.36296701f, 2.39359453f, 1.31724241f, 0.402424058f, 0.057227244f};
static const double above_double[] = {1.0,
                                      2.3480920579990746,
                                      2.7324426609880547,
                                      2.0366834712360879,
                                      1.0668973235107613,
                                      0.40857889339893891,
                                      0.11569639112382131,
                                      0.023951153751494204,
                                      0.0034826810735195363,
                                      0.00032349956791045809,
                                      1.4759943556253302e-5};
static const double below_double[] = {1.0,
                                      3.4764712250945874,
                                      5.6552203663917887,
                                      5.6936978709762003,
                                      3.9515121553972518,
                                      1.9905057469782871,
                                      0.74512669830778731,
                                      0.20813987897971525,
                                      0.042739008730540322,
                                      0.0061859721395774779,
                                      0.00057338805490988157,
                                      2.6161318795424983e-5};

/* erf(x) / x in x^2, for x within 1/2 of 0 */
static const float near_float[] = {1.12837917f, -0.37612609f, 0.112828314f, -0.0267577327f, 0.00471908257f};
static const double near_double[] = {1.1283791670955126,     -0.37612638903183751,   0.11283791670954869,
                                     -0.02686617064499972,   0.0052239776220169364,  -0.00085483265107247964,
                                     0.00012055286202005713, -1.4923003368152099e-5, 1.6371234425770001e-6,
                                     -1.4620913409451749e-7};
#endif
