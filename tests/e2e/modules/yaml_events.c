/* the number of events that libyaml reports for a text, or -1 */
#include <string.h>
#include <yaml.h>

int count_yaml_events(const char *text);

int count_yaml_events(const char *text)
{
    yaml_parser_t parser;
    yaml_event_t event;
    int count = 0, done = 0;

    if (!yaml_parser_initialize(&parser))
        return -1;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
    for (; !done; ++count) {
        if (!yaml_parser_parse(&parser, &event))
            return -1;
        done = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return count;
}
