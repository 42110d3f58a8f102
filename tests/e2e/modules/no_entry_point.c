/* a shared object, but not a module */
int sluice_nothing_to_see(void);

int sluice_nothing_to_see(void)
{
    return 0;
}
